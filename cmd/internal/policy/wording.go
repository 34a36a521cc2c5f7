package policy

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrorWording asks for errors that are bare verb phrases: `read slot "orders": …`.
func ErrorWording(h *House) []Finding {
	anywhere := regexp.MustCompile("(?i)" + pleas)
	inFront := regexp.MustCompile(`(?i)^\W*` + pleas + `|[:;] ` + pleas)
	var findings []Finding
	for _, s := range h.product() {
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				// In the middle of a text that is no error, such as the help of a verb, the words are plain English.
				if phrase := inFront.FindString(n.Value); n.Kind == token.STRING && phrase != "" {
					findings = append(findings, h.plea(s, n, phrase))
				}
			case *ast.CallExpr:
				literal, text, ok := errorText(n)
				if !ok {
					break
				}
				if what, fix := misspoken(text); what != "" {
					findings = append(findings, h.at(s, n.Pos(), what, fix))
				}
				if phrase := anywhere.FindString(text); phrase != "" && !inFront.MatchString(literal.Value) {
					findings = append(findings, h.plea(s, literal, phrase))
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
// file does not say them.
const pleas = "(failed" + " to|could" + " not|error" + " while|unable" + " to)"

func (h *House) plea(s *Source, literal *ast.BasicLit, phrase string) Finding {
	phrase = strings.ToLower(strings.Trim(phrase, "\"`:; "))
	return h.at(s, literal.Pos(), "a text says "+strconv.Quote(phrase), "say what was being done: `open state: %w`")
}

// errorText gives the text of errors.New("…") and fmt.Errorf("…", …).
func errorText(call *ast.CallExpr) (literal *ast.BasicLit, text string, ok bool) {
	if len(call.Args) == 0 || !isSelector(call.Fun, "errors", "New") && !isSelector(call.Fun, "fmt", "Errorf") {
		return nil, "", false
	}
	literal, ok = call.Args[0].(*ast.BasicLit)
	if !ok {
		return nil, "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return literal, text, err == nil
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
