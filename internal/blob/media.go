package blob

import (
	"path"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// SniffBytes is how much of the beginning tells the type of a file.
const SniffBytes = 3072

// mediaType tells the type of a file by its first bytes and, where these only say that it is text of
// some kind, by its extension. The tables are in the binary, so that every machine says the same.
func mediaType(rel string, head []byte) string {
	found, _, _ := strings.Cut(mimetype.Detect(head).String(), ";")
	if strings.HasPrefix(found, "text/") {
		if named := namedType(strings.ToLower(path.Ext(rel))); named != "" {
			return named
		}
	}
	return found
}

// namedType is the type that an extension stands for, of those that look like plain text.
func namedType(extension string) string {
	switch extension {
	case ".md", ".markdown", ".mdx":
		return "text/markdown"
	case ".html", ".htm":
		return "text/html"
	case ".css":
		return "text/css"
	case ".csv":
		return "text/csv"
	case ".tsv":
		return "text/tab-separated-values"
	case ".js", ".mjs", ".cjs":
		return "text/javascript"
	case ".json":
		return "application/json"
	case ".jsonl", ".ndjson":
		return "application/x-ndjson"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".toml":
		return "application/toml"
	case ".xml":
		return "text/xml"
	case ".rst":
		return "text/x-rst"
	case ".tex":
		return "text/x-tex"
	case ".go":
		return "text/x-go"
	case ".py":
		return "text/x-python"
	case ".sql":
		return "application/sql"
	}
	return ""
}
