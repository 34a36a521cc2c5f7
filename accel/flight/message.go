package flight

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/accel"
)

// Description is what a worker says of itself.
type Description struct {
	Protocol  int    `json:"protocol"`
	PID       int    `json:"pid"`
	Credits   int    `json:"credits"` // requests that it takes at once; 2 where it does not say
	Functions []Info `json:"functions"`
	Loading   bool   `json:"loading"` // it is getting ready, and says when it is
	Ready     bool   `json:"ready"`
}

// Info is what a worker says of one function.
type Info struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind"` // call or embed
	Revision   string      `json:"revision"`
	Batched    bool        `json:"batched"`    // it takes whole columns
	Parameters []Parameter `json:"parameters"` // of a call
	Open       bool        `json:"open"`       // it takes others besides
	Dims       int         `json:"dims"`       // of an embedder
	Tokens     int         `json:"tokens"`     // most in one request; 0: it does not say
	Rows       int         `json:"rows"`       // likewise
	Padded     bool        `json:"padded"`     // a batch is computed as long as its longest text
}

// Parameter is one that a function takes.
type Parameter struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
}

// The kinds of functions.
const (
	kindCall  = "call"
	kindEmbed = "embed"
)

// find returns the function of a name and kind.
func (d *Description) find(kind, name string) (Info, error) {
	var others []string
	for _, f := range d.Functions {
		switch {
		case f.Kind == kind && f.Name == name:
			return f, nil
		case f.Kind == kind:
			others = append(others, f.Name)
		}
	}
	return Info{}, &MissingError{Kind: kind, Name: name, Served: others}
}

// MissingError is a function that a worker does not serve.
type MissingError struct {
	Kind, Name string
	Served     []string // of the same kind
}

func (e *MissingError) Error() string {
	if e.Kind == kindEmbed {
		return fmt.Sprintf("the worker serves no embedder %q", e.Name)
	}
	return fmt.Sprintf("the worker serves no function %q", e.Name)
}

// request is a batch on its way to a worker.
type request struct {
	kind     string
	function string
	output   string // the schema of what is wanted, in hexadecimal
	record   arrow.Record
}

// requestMeta is the metadata of a request.
type requestMeta struct {
	Seq      uint64 `json:"seq"`
	Function string `json:"function"`
	Output   string `json:"output,omitempty"`
}

// replyMeta is the metadata of a part of a reply.
type replyMeta struct {
	Seq      uint64     `json:"seq"`
	Begun    bool       `json:"begun"`
	At       *int       `json:"at"`
	Done     bool       `json:"done"`
	BusyNS   int64      `json:"busy_ns"`
	Tokens   int64      `json:"tokens"`
	Revision *string    `json:"revision"`
	Error    *replyFail `json:"error"`
}

type replyFail struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// cause is a worker's word on a whole request.
func (f *replyFail) cause() *accel.Error {
	kind := accel.Unavailable
	switch f.Kind {
	case "oom":
		kind = accel.OutOfMemory
	case "malformed":
		kind = accel.Malformed
	case "rejected":
		kind = accel.Rejected
	case "unknown_function":
		kind = accel.UnknownModel
	}
	return &accel.Error{Kind: kind, Message: f.Message}
}

// taker takes the parts of a reply as they come. The record is nil where there is none; it is valid until the
// taker returns, but for what lies in memory that Go collects.
type taker func(meta *replyMeta, record arrow.Record) error

// malformed is a reply that no correct worker gives.
func malformed(format string, args ...any) *accel.Error {
	return &accel.Error{Kind: accel.Malformed, Message: fmt.Sprintf(format, args...)}
}

// unavailable is a worker that cannot be asked now.
func unavailable(message string, err error) *accel.Error {
	return &accel.Error{Kind: accel.Unavailable, Message: message, Err: err}
}
