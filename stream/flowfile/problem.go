package flowfile

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// atExpression are the codes of faults within an expression: they point into the text.
var atExpression = []string{"expression_syntax", "expression_type", "null_misuse", "unknown_column"}

// problem tells a fault that somebody else found, below a place of the file. What it says is
// redacted: it may quote a value that the environment gave.
func (d *document) problem(p place, fault *stream.Problem) {
	if fault.Code == "" {
		return // told already, where its cause stands
	}
	message, hint := d.secrets.redact(fault.Message), d.secrets.redact(fault.Hint)
	if target, _ := seek(p, fault.Field); d.holdsHidden(target.value, maxDepth) {
		public := d.public()
		message = d.secrets.redactFragments(message, public)
		if d.secrets.redactFragments(hint, public) != hint {
			hint = "check the value that is put in here; it is not shown"
		}
	}
	d.add(d.locate(p, fault), Diagnostic{Code: fault.Code, Message: message, Hint: hint, Exit: fault.Exit})
}

// public is the text of the file without the secrets that stand in it, and the hosts and databases that they name.
func (d *document) public() string {
	var b strings.Builder
	for i := range d.lines {
		b.WriteString(strings.Join(d.cells(i+1), "") + "\n")
	}
	return b.String() + d.secrets.targets()
}

// holdsHidden reports whether a value, or one within it, is a secret or comes from the environment.
func (d *document) holdsHidden(n *yaml.Node, depth int) bool {
	if n = follow(n); n == nil || depth == 0 {
		return false
	}
	return d.hidden[n] || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return d.holdsHidden(c, depth-1) })
}

// locate finds the place of a fault: the byte of an expression, the value of the key that it names,
// or what stands nearest above.
func (d *document) locate(p place, fault *stream.Problem) spot {
	target, whole := seek(p, fault.Field)
	n := follow(target.value)
	switch {
	case !whole:
		return d.spotOf(place{key: target.key, value: above(n)})
	case n == nil:
		return d.spotOf(target)
	case n.Kind == yaml.ScalarNode && !isNull(n) && n.Line > 0:
		if fault.Offset > 0 || slices.Contains(atExpression, fault.Code) {
			return d.within(n, fault.Offset)
		}
		return d.at(n)
	case n.Kind == yaml.SequenceNode && fault.Field != "":
		for _, c := range n.Content {
			if c = follow(c); c.Kind == yaml.ScalarNode && strings.Contains(fault.Message, strconv.Quote(c.Value)) {
				return d.at(c)
			}
		}
	}
	return d.spotOf(target)
}

// above is nil for a scalar: a key that is not there stands at the key above it, not in its value.
func above(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.ScalarNode {
		return nil
	}
	return n
}

// faultsOf unfolds the error of a kind's Build, which does no work that could fail for any other
// reason than its config.
func faultsOf(err error) []*stream.Problem {
	var source *cdc.SourceError
	if errors.As(err, &source) {
		return []*stream.Problem{{Code: source.Code, Message: source.Error(), Hint: source.Hint, Field: "path"}}
	}
	faults := stream.Problems(err)
	for i, fault := range faults {
		if fault.Code == "internal" {
			q := *fault
			q.Code = "bad_value"
			faults[i] = &q
		}
	}
	return faults
}
