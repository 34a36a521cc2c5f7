package files

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// oddPrefix begins the names of files whose path is not valid UTF-8. No relative path begins so, hence
// no file's name is another's.
const oddPrefix = "./"

// nameOf is the key text of the file at rel: rel itself, or its escaped form when it is not UTF-8.
func nameOf(rel string) string {
	if utf8.ValidString(rel) {
		return rel
	}
	return oddPrefix + escape(rel)
}

// relOf is the path that a name stands for.
func relOf(name string) (string, error) {
	odd, ok := strings.CutPrefix(name, oddPrefix)
	if !ok {
		return name, nil
	}
	return unescape(odd)
}

// escape writes the bytes that are no UTF-8 as \xFF and a backslash as \\.
func escape(rel string) string {
	var b strings.Builder
	for i := 0; i < len(rel); {
		r, size := utf8.DecodeRuneInString(rel[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02X`, rel[i])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(rel[i : i+size])
		}
		i += size
	}
	return b.String()
}

func unescape(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		rest := text[i+1:]
		if strings.HasPrefix(rest, `\`) {
			b.WriteByte('\\')
			i++
			continue
		}
		if len(rest) < 3 || rest[0] != 'x' {
			return "", fmt.Errorf("read name %q: a lone backslash", text)
		}
		c, err := strconv.ParseUint(rest[1:3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("read name %q: %q is no escape", text, rest[:3])
		}
		b.WriteByte(byte(c))
		i += 3
	}
	return b.String(), nil
}

// keyOf is the key of a name.
func keyOf(name string) cdc.Key { return cdc.StringKey(name) }
