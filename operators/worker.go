package operators

import (
	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Function is a function of rows that a worker serves. The text of a call is the shape of its row and the row;
// that of an answer the row of the output.
type Function interface {
	accel.Answerer

	// Shape makes the types of rows known that the function will be given. The error names a type that no
	// worker can be given.
	Shape(in *cdc.Schema) ([16]byte, error)

	// Close lets the worker go. A call afterwards starts or reaches it anew.
	Close() error
}

// Worker makes a function of a worker a model that the engine asks through a queue. Its results are the rows of
// its output. The worker is let go at the end of Run. It is safe for concurrent use.
type Worker struct {
	*asker
	function Function
	output   *cdc.Schema
}

var (
	_ stream.RemoteModel = (*Worker)(nil)
	_ stream.CallQueue   = (*Worker)(nil)
	_ stream.Remembering = (*Worker)(nil)
	_ stream.Resuming    = (*Worker)(nil)
)

// NewWorker names a function that answers rows of a schema.
func NewWorker(name string, f Function, out *cdc.Schema, o ModelOptions) *Worker {
	return &Worker{asker: newAsker(name, f, o, false), function: f, output: out}
}
