package stream

import (
	"errors"
	"fmt"
)

// Problem is a fault in a declared flow. It names the node and the key of its configuration, so that
// a flow file can point at the line; the hint says how to mend it.
type Problem struct {
	Code    string // a stable word of the list in docs: unknown_column, bad_value, …
	Node    string // source, step or sink; empty for the flow itself
	Field   string // key within the node's configuration, dotted: "text", "output.due"; empty: the node
	Offset  int    // bytes into the scalar at Field where the fault is, for expressions
	Message string
	Hint    string
	Exit    int // exit code where it is not that of a bad flow (2)
}

// Error is the message behind the node and key that it is about; the hint is left to whoever shows it.
func (p *Problem) Error() string {
	where := p.Node
	if p.Field != "" && where != "" {
		where += "."
	}
	where += p.Field
	if where == "" {
		return p.Message
	}
	return fmt.Sprintf("%s: %s", where, p.Message)
}

// At returns a copy that names the node, where it names none yet.
func (p *Problem) At(node string) *Problem {
	q := *p
	if q.Node == "" {
		q.Node = node
	}
	return &q
}

// Problems unfolds an error into the problems that it joins; any other error becomes one problem of
// code internal.
func Problems(err error) []*Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Problem
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	var p *Problem
	if errors.As(err, &p) {
		return []*Problem{p}
	}
	return []*Problem{{Code: "internal", Message: err.Error()}}
}
