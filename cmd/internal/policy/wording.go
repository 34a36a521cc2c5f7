package policy

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrorWording asks for errors that are bare verb phrases: `read slot "orders": …`.
func ErrorWording(h *House) []Finding {
	var findings []Finding
	for _, s := range h.product() {
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if phrase := plea(n); phrase != "" {
					findings = append(findings, h.at(s, n.Pos(), "a text says "+strconv.Quote(phrase), "say what was being done: `open state: %w`"))
				}
			case *ast.CallExpr:
				if text, ok := errorText(n); ok {
					if what, fix := misspoken(text); what != "" {
						findings = append(findings, h.at(s, n.Pos(), what, fix))
					}
				}
			case *ast.ImportSpec, *ast.Field:
				return false // paths and tags are not said to anybody
			}
			return true
		})
	}
	return findings
}

// pleas are the phrases that pile up when every layer adds one. They are written in two pieces, so that this
// file does not hold them.
func pleas() []string {
	return []string{"failed" + " to", "could" + " not", "error" + " while", "unable" + " to"}
}

func plea(literal *ast.BasicLit) string {
	if literal.Kind != token.STRING {
		return ""
	}
	lower := strings.ToLower(literal.Value)
	if i := slices.IndexFunc(pleas(), func(p string) bool { return strings.Contains(lower, p) }); i >= 0 {
		return pleas()[i]
	}
	return ""
}

// errorText gives the text of errors.New("…") and fmt.Errorf("…", …).
func errorText(call *ast.CallExpr) (string, bool) {
	if len(call.Args) == 0 || !isSelector(call.Fun, "errors", "New") && !isSelector(call.Fun, "fmt", "Errorf") {
		return "", false
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

func misspoken(text string) (what, fix string) {
	word, _, _ := strings.Cut(text, " ")
	switch {
	case text == "":
		return "empty error", "say what was being done"
	case capitalised(word) && !slices.Contains(properNouns(), strings.TrimRight(word, ":,")):
		return "error that begins with a capital: " + strconv.Quote(word), "begin in lower case; it will stand behind a colon"
	case strings.ContainsRune(".!\n", lastRune(text)):
		return "error that ends like a sentence", "drop the last character; something may follow"
	}
	return "", ""
}

// capitalised reports whether a word is written as at the start of a sentence; WAL and CaughtUp are not.
func capitalised(word string) bool {
	first, size := utf8.DecodeRuneInString(word)
	second, _ := utf8.DecodeRuneInString(word[size:])
	return unicode.IsUpper(first) && unicode.IsLower(second) && !strings.ContainsFunc(word[size:], unicode.IsUpper)
}

// properNouns are the names that keep their capital everywhere.
func properNouns() []string {
	return []string{"Arrow", "Kafka", "Markdown", "Pebble", "Postgres", "Prometheus", "Retry-After", "Unicode"}
}

func lastRune(text string) rune {
	r, _ := utf8.DecodeLastRuneInString(text)
	return r
}
