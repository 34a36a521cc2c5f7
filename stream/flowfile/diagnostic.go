package flowfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Diagnostic is one fault of a flow file.
type Diagnostic struct {
	Code    string // a stable word: unknown_key, wrong_type, …
	Message string // without the place
	Hint    string // the fix; never empty
	File    string // as it was named to Load
	Line    int    // from 1; 0 where the file could not be read
	Column  int    // from 1, in characters
	Snippet string // the line with a mark under the place; secrets are masked; may be empty
	Exit    int    // exit code of a process that ends with it
}

// Exit codes of diagnostics.
const (
	exitRunTime     = 1
	exitBadFlow     = 2
	exitEnvironment = 3
	exitDataGuard   = 10
)

// Error is the place and the message: `flow.yaml:9:38: …`.
func (d Diagnostic) Error() string {
	if d.Line == 0 {
		return d.File + ": " + d.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", d.File, d.Line, d.Column, d.Message)
}

// MarshalJSON writes code, message (with the place), hint, line and column.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
	}{d.Code, d.Error(), d.Hint, d.Line, d.Column})
}

// Render writes the diagnostic for people: the message, the line with a mark under the place, the
// hint.
func (d Diagnostic) Render(w io.Writer, color bool) error {
	paint := func(code, text string) string {
		if !color {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "freshet: %s %s\n", paint("1;31", "error:"), paint("1", visible(d.Error())))
	if d.Snippet != "" {
		line, mark, _ := strings.Cut(d.Snippet, "\n")
		fmt.Fprintf(&b, "%s\n%s\n", line, paint("31", mark))
	}
	fmt.Fprintf(&b, "freshet: %s %s\n", paint("1;36", "hint:"), visible(d.Hint))
	_, err := io.WriteString(w, b.String())
	return err
}

// Diagnostics are the faults that could be told at once, in the order of the file. The first is the
// one to show where there is room for one. It is never empty when returned as an error.
type Diagnostics []Diagnostic

// Error lists the diagnostics, one a line.
func (d Diagnostics) Error() string {
	lines := make([]string, len(d))
	for i, one := range d {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Exit is the exit code of the first.
func (d Diagnostics) Exit() int {
	if len(d) == 0 {
		return 0
	}
	return d[0].Exit
}

// Render writes all of them for people.
func (d Diagnostics) Render(w io.Writer, color bool) error {
	for i, one := range d {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := one.Render(w, color); err != nil {
			return err
		}
	}
	return nil
}

// inOrder sorts by place and drops what is told twice.
func (d Diagnostics) inOrder() Diagnostics {
	slices.SortStableFunc(d, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(d)
}

// exitOf is the exit code of a fault that names none.
func exitOf(code string) int {
	switch code {
	case "internal":
		return exitRunTime
	case "path_unreadable", "server_unreachable", "dims_mismatch", "access_denied", "wal_level", "rights", "no_key":
		return exitEnvironment
	case "data_guard":
		return exitDataGuard
	}
	return exitBadFlow
}

// hintOf is the hint of a fault that brings none: less than the place could say, and still a next step.
func hintOf(code string) string {
	switch code {
	case "internal":
		return "this is a fault of freshet itself; please report it with the flow file"
	case "path_unreadable":
		return "check that the path exists and may be read; it is relative to the flow file"
	case "server_unreachable":
		return "check the address and that the server runs; `freshet doctor` tries each server"
	case "expression_syntax", "expression_type", "null_misuse":
		return "expressions are CEL over row, such as 'row.title + row.body'; `freshet validate` shows the columns"
	case "unknown_column":
		return "`freshet validate` shows the columns of every step"
	case "no_vector_column":
		return "let the sink read a step with embed"
	}
	return "the reference lists every key with its type and default"
}
