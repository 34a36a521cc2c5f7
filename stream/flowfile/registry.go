package flowfile

import (
	"log/slog"
	"path/filepath"

	"github.com/freshet/freshet/stream"
)

// Registry is what a flow file may name. The maps are read only.
type Registry struct {
	Sources   map[string]SourceKind
	Operators map[string]OperatorKind
	Sinks     map[string]SinkKind
	Models    map[string]ModelKind
	// Project makes the operator that computes the columns of a sink with `columns: {column: expression}`.
	// It passes on what the sink is a stream.Carrier of. A fault names the column in Problem.Field. Nil: such
	// columns are refused.
	Project func(columns []NamedExpr, to stream.Sink) (stream.Operator, error)
}

// SourceKind is a kind of source. New yields a pointer to the config that is decoded into (a struct,
// an ordered map, or a scalar), new at each call; Build is handed it back. Build does no I/O beyond
// reading local files that the config names. Its faults are *stream.Problem whose Field is a key of
// the config. OperatorKind, SinkKind and ModelKind are alike.
type SourceKind struct {
	Doc   string // one sentence for the reference
	New   func() any
	Build func(config any, env *Env) (stream.Source, error)
}

// OperatorKind is a kind of step.
type OperatorKind struct {
	Doc   string
	New   func() any
	Build func(config any, env *Env) (stream.Operator, error)
}

// SinkKind is a kind of sink.
type SinkKind struct {
	Doc   string
	New   func() any
	Build func(config any, env *Env) (stream.Sink, error)
}

// ModelKind is a kind of model. A step that names `<kind>/<model>` without declaring it gets the
// defaults of the config with its key `model` set; one that names just `<kind>` gets the defaults.
type ModelKind struct {
	Doc   string
	New   func() any
	Build func(name string, config any, m ModelConfig, env *Env) (stream.Model, error)
}

// Env is where a source, step, sink or model is built.
type Env struct {
	Dir    string       // folder of the flow file
	Flow   string       // name of the flow
	Node   string       // name of what is being built
	Logger *slog.Logger // never nil
	// Model finds the model that a step names: one of the file, `<kind>/<model>` or `<kind>`. Its
	// fault is a *stream.Problem with Field "model", for the step to return as it is.
	Model func(name string) (stream.Model, error)
	// Own adds a model that a step has for itself to those of the file, by its name. It is there for steps.
	Own func(m stream.Model)
}

// Path makes a path of the flow file absolute or relative to where the process stands: a relative
// path starts at the flow file. No path stays none.
func (e *Env) Path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}

// NamedExpr is a column and the expression that computes it. A slice of them is an ordered map.
type NamedExpr struct {
	Name string `yaml:",key"`
	Expr string `yaml:",value"`
}

// kind is what the four registries have in common.
type kind struct {
	doc string
	new func() any
}

func sourceKinds(r Registry) map[string]kind {
	return kindsOf(r.Sources, func(k SourceKind) kind { return kind{k.Doc, k.New} })
}

func operatorKinds(r Registry) map[string]kind {
	return kindsOf(r.Operators, func(k OperatorKind) kind { return kind{k.Doc, k.New} })
}

func sinkKinds(r Registry) map[string]kind {
	return kindsOf(r.Sinks, func(k SinkKind) kind { return kind{k.Doc, k.New} })
}

func modelKinds(r Registry) map[string]kind {
	return kindsOf(r.Models, func(k ModelKind) kind { return kind{k.Doc, k.New} })
}

func kindsOf[K any](kinds map[string]K, plain func(K) kind) map[string]kind {
	all := make(map[string]kind, len(kinds))
	for name, k := range kinds {
		all[name] = plain(k)
	}
	return all
}
