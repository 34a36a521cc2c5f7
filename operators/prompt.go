package operators

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// prompt is a text with holes, `{{ CEL }}`, bound to the rows that fill them.
type prompt struct {
	parts []part
	holes int
}

// part is a literal text or an expression.
type part struct {
	text string
	hole *expr.Program
}

// compilePrompt checks a prompt against the schema of its rows. A brace that is meant as such stands alone
// or is written by an expression: {{ "{{" }}.
func compilePrompt(text string, in *cdc.Schema) (*prompt, error) {
	p := &prompt{}
	at := 0
	for {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			break
		}
		open += at
		end := strings.Index(text[open:], "}}")
		if end < 0 {
			return nil, &stream.Problem{Code: "expression_syntax", Field: "prompt", Offset: open, Message: "a hole of the prompt is not closed",
				Hint: "end it with }}"}
		}
		end += open
		if at < open {
			p.parts = append(p.parts, part{text: text[at:open]})
		}
		hole, err := expr.Compile(strings.TrimSpace(text[open+2:end]), in, expr.Options{Field: "prompt"})
		if err != nil {
			return nil, inPrompt(err, text, open+2)
		}
		p.parts = append(p.parts, part{hole: hole})
		p.holes++
		at = end + 2
	}
	if at < len(text) {
		p.parts = append(p.parts, part{text: text[at:]})
	}
	if p.holes == 0 {
		return nil, &stream.Problem{Code: "bad_value", Field: "prompt", Message: "the prompt has no hole: every row would ask the same",
			Hint: "write an expression where the row belongs: {{ row.text }}"}
	}
	return p, nil
}

// inPrompt moves the faults of a hole to its place in the prompt.
func inPrompt(err error, text string, at int) error {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n') {
		at++
	}
	for _, fault := range stream.Problems(err) {
		q := *fault
		q.Offset += at
		return &q
	}
	return err
}

// optional reports whether all holes of a row may be null: then there is nothing to ask.
func (p *prompt) optional() bool {
	for i := range p.parts {
		if h := p.parts[i].hole; h != nil && !h.Type().Nullable {
			return false
		}
	}
	return true
}

// reads names the columns that the holes read.
func (p *prompt) reads() []string {
	var names []string
	seen := map[string]bool{}
	for i := range p.parts {
		if h := p.parts[i].hole; h != nil {
			for _, name := range h.Reads() {
				if !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// logic is what the prompt's text depends on besides the row.
func (p *prompt) logic() []byte {
	var parts [][]byte
	for i := range p.parts {
		if h := p.parts[i].hole; h != nil {
			parts = append(parts, []byte("hole"), h.Logic())
		} else {
			parts = append(parts, []byte("text"), []byte(p.parts[i].text))
		}
	}
	return logic("prompt", 1, parts...)
}

// render appends the prompt of a row. some is false where every hole is null.
func (p *prompt) render(dst []byte, in cdc.Row) (out []byte, some bool, err error) {
	for i := range p.parts {
		h := p.parts[i].hole
		if h == nil {
			dst = append(dst, p.parts[i].text...)
			continue
		}
		var null bool
		if dst, null, err = appendHole(dst, h, in); err != nil {
			return dst, false, fmt.Errorf("write prompt: %w", err)
		}
		some = some || !null
	}
	return dst, some, nil
}

// appendHole appends the value of a hole: a text as it is, anything else as JSON writes it.
func appendHole(dst []byte, h *expr.Program, in cdc.Row) ([]byte, bool, error) {
	if h.Type().Kind == cdc.String {
		return h.Text(dst, in)
	}
	v, err := h.Eval(in)
	if err != nil || v.State != cdc.Set {
		return dst, true, err
	}
	from := len(dst)
	t := h.Type()
	dst = cdc.AppendJSON(dst, &t, v)
	if quoted := dst[from:]; len(quoted) > 1 && quoted[0] == '"' && !bytes.ContainsRune(quoted, '\\') {
		dst = append(dst[:from], quoted[1:len(quoted)-1]...) // a date or a uuid
	}
	return dst, false, nil
}
