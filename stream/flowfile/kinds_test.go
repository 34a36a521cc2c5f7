package flowfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/freshet/freshet/cdc"
	realfiles "github.com/freshet/freshet/cdc/files"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
	"github.com/freshet/freshet/stream/flowfile"
)

// The kinds below are small, and do what those of the product do when a flow is planned: columns are
// inferred and expressions are checked.

func kinds() flowfile.Registry {
	return flowfile.Registry{
		Sources: map[string]flowfile.SourceKind{
			"files":    {Doc: "Rows of a folder.", New: func() any { return new(filesConfig) }, Build: newFiles},
			"postgres": {Doc: "Rows of tables.", New: func() any { return new(postgresConfig) }, Build: newPostgres},
		},
		Operators: map[string]flowfile.OperatorKind{
			"filter": {Doc: "Keeps rows.", New: func() any { return new(filterConfig) }, Build: newFilter},
			"map":    {Doc: "Computes columns.", New: func() any { return new(mapConfig) }, Build: newMap},
			"split":  {Doc: "Cuts a text.", New: func() any { return new(splitConfig) }, Build: newSplit},
			"embed":  {Doc: "Adds a vector.", New: func() any { return new(embedConfig) }, Build: newEmbed},
			"extract": {Doc: "Adds fields.", New: func() any { return new(extractConfig) },
				Build: func(c any, env *flowfile.Env) (stream.Operator, error) { return nil, c.(*extractConfig).build(env) }},
		},
		Sinks: map[string]flowfile.SinkKind{
			"vector": {Doc: "A vector index.", New: func() any { return new(vectorConfig) },
				Build: func(any, *flowfile.Env) (stream.Sink, error) { return sink{vector: true}, nil }},
			"jsonl": {Doc: "A change log.", New: func() any { return new(jsonlConfig) },
				Build: func(any, *flowfile.Env) (stream.Sink, error) { return sink{}, nil }},
		},
		Models: map[string]flowfile.ModelKind{
			"openai":  {Doc: "A model server.", New: func() any { return new(openaiConfig) }, Build: newOpenAI},
			"builtin": {Doc: "Words.", New: func() any { return new(struct{}) }, Build: newBuiltin},
		},
		Project: func(columns []flowfile.NamedExpr, _ stream.Sink) (stream.Operator, error) {
			return mapConfig{Columns: columns}, nil
		},
	}
}

// realKinds are those of the product, where they are as small as the ones below.
func realKinds() flowfile.Registry {
	r := kinds()
	r.Sources["files"] = flowfile.SourceKind{Doc: "Rows of a folder.", New: func() any { return new(filesConfig) },
		Build: func(config any, env *flowfile.Env) (stream.Source, error) {
			c := config.(*filesConfig)
			return realfiles.New(realfiles.Options{Path: env.Path(c.Path), Include: c.Include, MaxSize: c.MaxSize, Poll: c.Poll})
		}}
	r.Operators = map[string]flowfile.OperatorKind{
		"filter": {Doc: "Keeps rows.", New: func() any { return new(operators.FilterConfig) },
			Build: func(config any, _ *flowfile.Env) (stream.Operator, error) {
				return operators.NewFilter(*config.(*operators.FilterConfig))
			}},
		"map": {Doc: "Computes columns.", New: func() any { return new(operators.MapConfig) },
			Build: func(config any, _ *flowfile.Env) (stream.Operator, error) {
				return operators.NewMap(*config.(*operators.MapConfig))
			}},
		"split": {Doc: "Cuts a text.", New: func() any { return new(operators.SplitConfig) },
			Build: func(config any, _ *flowfile.Env) (stream.Operator, error) {
				return operators.NewSplit(*config.(*operators.SplitConfig))
			}},
		"embed": {Doc: "Adds a vector.", New: func() any { return new(operators.EmbedConfig) },
			Build: func(config any, env *flowfile.Env) (stream.Operator, error) {
				c := *config.(*operators.EmbedConfig)
				m, err := env.Model(c.Model)
				if err != nil {
					return nil, err
				}
				return operators.NewEmbed(c, m)
			}},
	}
	return r
}

type filesConfig struct {
	Path    string        `yaml:"path" required:"true" doc:"The folder."`
	Include []string      `yaml:"include" doc:"Globs."`
	MaxSize int64         `yaml:"max_size" unit:"bytes" default:"64MiB" min:"1" doc:"Largest file."`
	Poll    time.Duration `yaml:"poll" doc:"Look this often."`
}

type files struct{ shown, path string }

func newFiles(config any, env *flowfile.Env) (stream.Source, error) {
	c := config.(*filesConfig)
	return files{c.Path, env.Path(c.Path)}, nil
}

func (f files) Collections(context.Context) ([]stream.Collection, error) {
	if _, err := os.Stat(f.path); errors.Is(err, fs.ErrNotExist) {
		return nil, &cdc.SourceError{Code: "path_unreadable", Err: fmt.Errorf("the folder %q is not there", f.shown),
			Hint: "make the folder, or name another path"}
	}
	return []stream.Collection{{Schema: &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{
		{Name: "path", Type: cdc.Type{Kind: cdc.String}}, {Name: "text", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
		{Name: "size", Type: cdc.Type{Kind: cdc.Int64}}}}}}, nil
}

func (files) Run(context.Context, cdc.Start, cdc.Inlet) error { return nil }

// postgresConfig shows secrets, a union of two forms, and a map whose values are one.
type postgresConfig struct {
	DSN    string               `yaml:"dsn" required:"true" secret:"true" env:"DATABASE_URL" doc:"Where the server is."`
	Table  string               `yaml:"table" doc:"The table."`
	Tables map[string]tableSpec `yaml:"tables" doc:"Several tables."`
	Snap   string               `yaml:"snapshot" enum:"initial,never,incremental" default:"initial" doc:"First copy."`
}

type tableSpec struct {
	Table   string   `yaml:"table,scalar" required:"true" doc:"The table."`
	Columns []string `yaml:"columns" doc:"Its columns."`
}

func (c *postgresConfig) Validate() error {
	if (c.Table == "") == (c.Tables == nil) {
		return &stream.Problem{Code: "missing_key", Message: "postgres needs either table or tables", Hint: "add `table: public.docs`"}
	}
	return nil
}

func newPostgres(config any, _ *flowfile.Env) (stream.Source, error) {
	dsn := config.(*postgresConfig).DSN
	if !strings.HasPrefix(dsn, "postgres://") {
		return nil, &stream.Problem{Code: "bad_value", Field: "dsn", Message: fmt.Sprintf("parse %q: no scheme", dsn),
			Hint: fmt.Sprintf("write postgres://%s", dsn)}
	}
	return files{dsn, "."}, nil
}

type filterConfig struct {
	Condition string `yaml:",scalar" required:"true" doc:"A condition."`
}

func newFilter(config any, _ *flowfile.Env) (stream.Operator, error) {
	return *config.(*filterConfig), nil
}

func (f filterConfig) Bind(in *cdc.Schema, _ func(string) bool) (stream.Bound, error) {
	p, err := expr.Compile(f.Condition, in, expr.Options{Want: []cdc.Kind{cdc.Bool}})
	if err != nil {
		return nil, err
	}
	return bound{in, p.Reads()}, nil
}

type mapConfig struct {
	Columns []flowfile.NamedExpr `yaml:",rest" doc:"Columns and their expressions."`
}

func newMap(config any, _ *flowfile.Env) (stream.Operator, error) { return *config.(*mapConfig), nil }

func (m mapConfig) Bind(in *cdc.Schema, _ func(string) bool) (stream.Bound, error) {
	out, _ := in.Select(func(string) bool { return false })
	var faults []error
	var reads []string
	for _, c := range m.Columns {
		p, err := expr.Compile(c.Expr, in, expr.Options{Field: c.Name})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		out.Columns = append(out.Columns, cdc.Column{Name: c.Name, Type: p.Type()})
		reads = append(reads, p.Reads()...)
	}
	return bound{out, reads}, errors.Join(faults...)
}

type splitConfig struct {
	Text    string `yaml:"text" required:"true" doc:"The text."`
	By      string `yaml:"by" enum:"recursive,markdown,code,sentence" default:"recursive" doc:"How."`
	Size    int    `yaml:"size" default:"400" min:"1" doc:"Largest chunk."`
	Overlap int    `yaml:"overlap" default:"0" min:"0" doc:"Shared with the chunk before."`
}

func (c *splitConfig) Validate() error {
	if c.Overlap >= c.Size {
		return &stream.Problem{Code: "bad_value", Field: "overlap",
			Message: fmt.Sprintf("the overlap %d is not below the size %d", c.Overlap, c.Size), Hint: "choose an overlap below the size"}
	}
	return nil
}

func newSplit(config any, _ *flowfile.Env) (stream.Operator, error) {
	return adding{text: config.(*splitConfig).Text, column: "chunk", of: cdc.Type{Kind: cdc.String}}, nil
}

type embedConfig struct {
	Model string `yaml:"model" required:"true" doc:"The model."`
	Text  string `yaml:"text" required:"true" doc:"The text."`
	As    string `yaml:"as" default:"vector" doc:"The column."`
}

func newEmbed(config any, env *flowfile.Env) (stream.Operator, error) {
	c := config.(*embedConfig)
	m, err := env.Model(c.Model)
	if err != nil {
		return nil, err
	}
	return adding{text: c.Text, column: c.As, of: cdc.Type{Kind: cdc.Vector, Dims: m.(*model).config.Dims}}, nil
}

// adding binds as split and embed do: it reads a text and adds a column.
type adding struct {
	text, column string
	of           cdc.Type
}

func (a adding) Bind(in *cdc.Schema, _ func(string) bool) (stream.Bound, error) {
	p, err := expr.Compile(a.text, in, expr.Options{Want: []cdc.Kind{cdc.String}, Field: "text"})
	if err != nil {
		return nil, err
	}
	out := &cdc.Schema{Key: in.Key, Columns: append(append([]cdc.Column(nil), in.Columns...), cdc.Column{Name: a.column, Type: a.of})}
	return bound{out, p.Reads()}, nil
}

// extractConfig shows a text that may be in a file, an ordered map of types and a number.
type extractConfig struct {
	Model  string `yaml:"model" required:"true" doc:"The model."`
	Prompt prompt `yaml:"prompt" required:"true" doc:"What is asked."`
	Output []struct {
		Name string   `yaml:",key"`
		Type cdc.Type `yaml:",value"`
	} `yaml:"output" required:"true" doc:"The fields."`
	Temperature *float64 `yaml:"temperature" min:"0" max:"2" doc:"How free."`
}

type prompt struct {
	Text string `yaml:",scalar"`
	File string `yaml:"file" doc:"A file with the text."`
}

// build reads the prompt and shows in its fault what it was given, for tests to look at.
func (c *extractConfig) build(*flowfile.Env) error {
	var parts []string
	for _, f := range c.Output {
		parts = append(parts, f.Name+" "+f.Type.String())
	}
	return &stream.Problem{Code: "bad_value", Field: "prompt.file", Message: c.Prompt.Text + c.Prompt.File + ": " + strings.Join(parts, ", ")}
}

type bound struct {
	schema *cdc.Schema
	reads  []string
}

func (b bound) Schema() *cdc.Schema             { return b.schema }
func (b bound) Reads() []string                 { return b.reads }
func (b bound) Logic() []byte                   { return []byte("test") }
func (b bound) Map(cdc.Row, *stream.Rows) error { return nil }

type vectorConfig struct {
	Metric string `yaml:"metric" enum:"cosine,dot,l2" default:"cosine" doc:"How near is measured."`
}

type jsonlConfig struct {
	Path string `yaml:"path" required:"true" doc:"The file."`
}

type sink struct{ vector bool }

func (s sink) Bind(in []stream.Collection) (stream.Binding, error) {
	for _, c := range in {
		has := false
		for _, column := range c.Schema.Columns {
			has = has || column.Type.Kind == cdc.Vector
		}
		if s.vector && !has {
			return stream.Binding{}, &stream.Problem{Code: "no_vector_column", Field: "from",
				Message: fmt.Sprintf("%q has no vector column", c.Name), Hint: "read a step with embed"}
		}
	}
	return stream.Binding{}, nil
}

func (sink) Open(context.Context, stream.Target) (stream.Writer, error) {
	return nil, errors.ErrUnsupported
}

type openaiConfig struct {
	BaseURL string `yaml:"base_url" default:"https://api.openai.com/v1" doc:"The server."`
	Model   string `yaml:"model" required:"true" doc:"The model."`
	APIKey  string `yaml:"api_key" secret:"true" env:"OPENAI_API_KEY" doc:"The key."`
}

type model struct {
	name   string
	openai openaiConfig
	config flowfile.ModelConfig
}

func (m *model) Name() string     { return m.name }
func (m *model) Dims() int        { return m.config.Dims }
func (m *model) Identity() []byte { return []byte(m.openai.Model) }

func newOpenAI(name string, config any, m flowfile.ModelConfig, _ *flowfile.Env) (stream.Model, error) {
	c := config.(*openaiConfig)
	if c.BaseURL == "https://api.openai.com/v1" && c.APIKey == "" {
		return nil, &stream.Problem{Code: "missing_key", Field: "api_key", Message: "the model needs a key",
			Hint: "set OPENAI_API_KEY, or add `api_key: \"${NAME}\"`"}
	}
	return &model{name, *c, m}, nil
}

func newBuiltin(name string, _ any, m flowfile.ModelConfig, _ *flowfile.Env) (stream.Model, error) {
	m.Dims = 256
	return &model{name: name, config: m}, nil
}
