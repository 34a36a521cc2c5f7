package operators

import "github.com/freshet/freshet/operators/split"

// extensions are the endings of file names by which a language is told.
var extensions = map[string]split.Language{
	".go": split.Go,
	".py": split.Python, ".pyi": split.Python, ".pyw": split.Python,
	".js": split.JavaScript, ".mjs": split.JavaScript, ".cjs": split.JavaScript, ".jsx": split.JavaScript,
	".ts": split.TypeScript, ".mts": split.TypeScript, ".cts": split.TypeScript, ".tsx": split.TypeScript,
	".rs":   split.Rust,
	".java": split.Java,
	".c":    split.C, ".h": split.C,
	".cc": split.CPP, ".cpp": split.CPP, ".cxx": split.CPP, ".hh": split.CPP, ".hpp": split.CPP, ".hxx": split.CPP,
	".cs": split.CSharp,
	".kt": split.Kotlin, ".kts": split.Kotlin,
	".scala": split.Scala, ".sc": split.Scala,
	".swift": split.Swift,
	".php":   split.PHP,
	".rb":    split.Ruby, ".rake": split.Ruby,
	".sh": split.Shell, ".bash": split.Shell, ".zsh": split.Shell,
	".sql": split.SQL,
}
