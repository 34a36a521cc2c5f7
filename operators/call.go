package operators

import (
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// CallConfig is `call: {worker: …, function: …, input: {name: expression}, output: {field: type}}`.
type CallConfig struct {
	Worker   WorkerPlace    `yaml:"worker" required:"true" doc:"The worker: a command as a list, which the flow starts in the folder of the flow file and ends; or the address of a server, as it is or as {flight: …}."`
	Function string         `yaml:"function" required:"true" doc:"The function of the worker that is called, once for each distinct input."`
	Input    []CallArgument `yaml:"input" required:"true" doc:"What the function is given: {name: CEL expression}. A null is given as such."`
	Output   []ExtractField `yaml:"output" required:"true" doc:"The columns that it gives and their types: {loud: string, score: \"float?\"}."`
	Timeout  time.Duration  `yaml:"timeout" default:"60s" min:"10ms" doc:"How long the worker may be silent while it is at a row, or at a batch where it takes whole batches. Then it is ended and started again."`
	Rows     int            `yaml:"rows" default:"64" min:"1" max:"65536" doc:"Most rows that the worker is given at once."`
}

// WorkerPlace is where a worker is: a command, or the addresses of servers.
type WorkerPlace struct {
	Command []string      `yaml:",list"`
	Address string        `yaml:",scalar"`
	Flight  []string      `yaml:"flight,single" doc:"Arrow Flight: grpc://host:port, grpc+tls://host:port or unix:/path; of several, which serve the same, each takes its share."`
	TLS     WorkerSecrets `yaml:"tls" doc:"How servers with grpc+tls are met."`
}

// WorkerSecrets say how a server is met over TLS.
type WorkerSecrets struct {
	CA   string `yaml:"ca" doc:"A file with the certificates of the authorities that are trusted; those of the system where absent."`
	Cert string `yaml:"cert" doc:"A file with the certificate that is shown."`
	Key  string `yaml:"key" doc:"A file with its key."`
	Name string `yaml:"server_name" doc:"The name that the server's certificate has to have, where it is not that of the address."`
}

// CallArgument is a parameter and the CEL expression for it.
type CallArgument struct {
	Name       string `yaml:",key"`
	Expression string `yaml:",value"`
}

// callVersion changes when a call of the same function and input means something else than before.
const callVersion = 1

// OutputSchema is that of the rows which the function answers. Faults are *stream.Problem.
func (c *CallConfig) OutputSchema() (*cdc.Schema, error) {
	s := &cdc.Schema{}
	for _, f := range c.Output {
		if err := checkAdded("output."+f.Name, f.Name); err != nil {
			return nil, err
		}
		if f.Type.Kind == cdc.Vector && f.Type.Dims == 0 {
			return nil, &stream.Problem{Code: "bad_value", Field: "output." + f.Name, Message: "the length of the vector is not said",
				Hint: "write it: vector(384)"}
		}
		s.Columns = append(s.Columns, cdc.Column{Name: f.Name, Type: f.Type})
	}
	if len(s.Columns) == 0 {
		return nil, &stream.Problem{Code: "bad_value", Field: "output", Message: "there is nothing to be given", Hint: "name a column: {loud: string}"}
	}
	return s, nil
}

type call struct {
	config CallConfig
	worker *Worker
}

// NewCall is the operator that adds what a function of a worker gives for a row.
func NewCall(c CallConfig, w *Worker) (stream.Operator, error) {
	if len(c.Input) == 0 {
		return nil, &stream.Problem{Code: "bad_value", Field: "input", Message: "the function is given nothing: every row would ask the same",
			Hint: "name what it is given: {text: row.text}"}
	}
	for _, a := range c.Input {
		if a.Name == "" || a.Name[0] == '_' {
			return nil, &stream.Problem{Code: "bad_value", Field: "input." + a.Name, Message: fmt.Sprintf("%q cannot name a parameter", a.Name),
				Hint: "take the name of a parameter of the function, without an underscore at its front"}
		}
	}
	return call{config: c, worker: w}, nil
}

type boundCall struct {
	carry
	worker *Worker
	shape  [16]byte
	input  []*expr.Program
	names  []string // of the parameters
	shown  []int    // places in the output of the columns that somebody reads
}

// Bind implements stream.Operator.
func (c call) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	b := &boundCall{worker: c.worker}
	given := &cdc.Schema{}
	var faults []error
	for _, a := range c.config.Input {
		p, err := expr.Compile(a.Expression, in, expr.Options{Field: "input." + a.Name})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		b.input, b.names = append(b.input, p), append(b.names, a.Name)
		given.Columns = append(given.Columns, cdc.Column{Name: a.Name, Type: p.Type()})
	}
	var added []string
	for _, x := range c.worker.output.Columns {
		added = append(added, x.Name)
		if isKeyColumn(in, x.Name) {
			faults = append(faults, &stream.Problem{Code: "bad_value", Field: "output." + x.Name, Message: fmt.Sprintf("%q is part of the key and cannot be replaced", x.Name),
				Hint: "name the column otherwise; a function that gives one value gives it whatever the column is called"})
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var err error
	if b.shape, err = c.worker.function.Shape(given); err != nil {
		return nil, &stream.Problem{Code: "wrong_type", Field: "input", Message: err.Error(), Hint: "give the function a value of another type"}
	}
	b.carry = carrying(in, keep, added...)
	for i, x := range c.worker.output.Columns {
		if keep(x.Name) {
			b.shown = append(b.shown, i)
			b.add(x.Name, x.Type)
		}
	}
	return b, nil
}

func (c *boundCall) Schema() *cdc.Schema { return c.schema }

// Reads implements stream.Bound.
func (c *boundCall) Reads() []string { return readsOf(c.input...) }

// Logic implements stream.Bound.
func (c *boundCall) Logic() []byte {
	parts := [][]byte{c.asks()}
	for i, p := range c.input {
		parts = append(parts, []byte(c.names[i]), p.Logic())
	}
	return logic("call", callVersion, parts...)
}

// asks is what every call of the function depends on besides its input: the function and its revision, as the
// worker reports it, what it is given and what it gives. Where the worker runs is no part of it.
func (c *boundCall) asks() []byte {
	return logic("call", callVersion, c.worker.Identity(), c.shape[:], []byte(c.worker.output.String()))
}

// Calls implements stream.Caller. I7: the expressions are no part of it, so that steps which give the same to
// the same function share the answer.
func (c *boundCall) Calls() stream.Calls { return stream.Calls{Model: c.worker, Logic: c.asks()} }

// Input implements stream.Caller: the shape of what is given, and the row of it.
func (c *boundCall) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	var b cdc.RowBuilder
	for i, p := range c.input {
		if err := p.AppendTo(&b, in); err != nil {
			return dst, false, fmt.Errorf("compute %s: %w", c.names[i], err)
		}
	}
	return b.Append(append(dst, c.shape[:]...)), true, nil
}

// Output implements stream.Caller.
func (c *boundCall) Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	c.append(b, in)
	row := cdc.Row(result.Raw)
	if len(c.shown) > 0 && row.Len() != len(c.worker.output.Columns) {
		return fmt.Errorf("read result: %d values, and the function gives %d", row.Len(), len(c.worker.output.Columns))
	}
	for _, i := range c.shown {
		b.Value(row.At(i))
	}
	return nil
}
