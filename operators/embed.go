package operators

import (
	"fmt"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// EmbedConfig is `embed: {model: …, text: …}`, or `embed: {model: …, image: …}`.
type EmbedConfig struct {
	Model string `yaml:"model" required:"true" doc:"The model that makes the vectors: one of the flow's models, <kind>/<model>, or builtin."`
	Text  string `yaml:"text" doc:"A CEL expression for the text that is sent, just as it is. Where it is null or empty the vector is null and no call is made."`
	Image string `yaml:"image" doc:"Instead of text: a CEL expression for the bytes of an image, such as row.content of files, for a model that takes images beside texts. A search asks the same model with its text."`
	As    string `yaml:"as" default:"vector" doc:"Name of the column for the vector."`
}

// embedVersion changes when a call of the same model and text means something else than before: every
// text is sent again then.
const embedVersion = 1

// DefaultVector is the column that embed adds unless told otherwise.
const DefaultVector = "vector"

// dimensioned is a model that makes vectors.
type dimensioned interface {
	stream.Model
	// Dims is the length of the vectors; 0 where it is not known yet.
	Dims() int
}

// Vectors is a model that has to know that it is asked for vectors, because it could have another role.
type Vectors interface {
	// Vectors takes the role. The error says why it has another one.
	Vectors() error
}

// Images is a model that takes images beside texts.
type Images interface {
	// Images reports whether it does.
	Images() bool
}

type embed struct {
	config EmbedConfig
	model  dimensioned
}

// NewEmbed is the operator that adds the vector of a text. The model tells the length of its vectors
// by a method Dims() int, as [Remote] and [Inline] do.
func NewEmbed(c EmbedConfig, model stream.Model) (stream.Operator, error) {
	if c.As == "" {
		c.As = DefaultVector
	}
	if err := checkAdded("as", c.As); err != nil {
		return nil, err
	}
	if (c.Text == "") == (c.Image == "") {
		return nil, &stream.Problem{Code: "missing_key", Field: "text", Message: "the step embeds a text or an image, one of them", Hint: "write text: row.text, or image: row.content"}
	}
	if i, ok := model.(Images); c.Image != "" && (!ok || !i.Images()) {
		return nil, &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q takes no images", model.Name()),
			Hint: "name a model of kind openai whose server takes them, such as Jina's CLIP"}
	}
	m, err := vectorsOf(model)
	if err != nil {
		return nil, err
	}
	return embed{config: c, model: m}, nil
}

// vectorsOf is a model in the role of one that makes vectors.
func vectorsOf(model stream.Model) (dimensioned, error) {
	m, ok := model.(dimensioned)
	if !ok {
		return nil, &stream.Problem{Code: "bad_value", Field: "model",
			Message: fmt.Sprintf("the model %q makes no vectors", model.Name()), Hint: "name an embedding model"}
	}
	if v, ok := model.(Vectors); ok {
		if err := v.Vectors(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

type boundEmbed struct {
	carry
	model  dimensioned
	text   *expr.Program // or image
	image  bool
	as     string
	vector bool // somebody reads it
}

// Bind implements stream.Operator.
func (e embed) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	text, err := e.compile(in)
	if err != nil {
		return nil, err
	}
	if err := checkReplaced(in, e.config.As); err != nil {
		return nil, err
	}
	b := &boundEmbed{carry: carrying(in, keep, e.config.As), model: e.model, text: text, image: e.config.Image != "", as: e.config.As}
	// The model is asked also where nobody reads the vector: the step stands in the flow to be run.
	if b.vector = keep(e.config.As); b.vector {
		b.add(e.config.As, cdc.Type{Kind: cdc.Vector, Dims: e.model.Dims(), Nullable: true})
	}
	return b, nil
}

// compile makes the expression for what is sent.
func (e embed) compile(in *cdc.Schema) (*expr.Program, error) {
	if e.config.Image != "" {
		return expr.Compile(e.config.Image, in, expr.Options{Want: []cdc.Kind{cdc.Bytes}, Field: "image"})
	}
	return expr.Compile(e.config.Text, in, expr.Options{Want: []cdc.Kind{cdc.String}, Field: "text"})
}

func (e *boundEmbed) Schema() *cdc.Schema { return e.schema }
func (e *boundEmbed) Reads() []string     { return e.text.Reads() }

func (e *boundEmbed) Logic() []byte {
	return logic("embed", embedVersion, e.model.Identity(), e.text.Logic(), []byte(e.as))
}

// Calls implements stream.Caller. I7: neither the expression nor the column's name is part of the logic, so
// that steps which send the same text to the same model share the result.
func (e *boundEmbed) Calls() stream.Calls {
	return stream.Calls{Model: e.model, Logic: logic("embed", embedVersion, e.model.Identity()), ByReference: true}
}

// Input implements stream.Caller.
func (e *boundEmbed) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	if e.image {
		v, err := e.text.Eval(in)
		if err != nil || v.State != cdc.Set || len(v.Raw) == 0 {
			return dst, false, err
		}
		return accel.AppendImage(dst, v.Raw), true, nil
	}
	from := len(dst)
	dst, null, err := e.text.Text(dst, in)
	return dst, err == nil && !null && len(dst) > from, err
}

// Foretell implements stream.Foretelling: no more is sent than the rows hold.
func (e *boundEmbed) Foretell(in cdc.Estimate) cdc.Estimate {
	if e.image {
		in.Bytes = -1 // what an image counts is not told by its bytes
	}
	return in
}

// Output implements stream.Caller.
func (e *boundEmbed) Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	e.append(b, in)
	if !e.vector {
		return nil
	}
	if n := len(result.Raw); result.State == cdc.Set && e.model.Dims() > 0 && n != 4*e.model.Dims() {
		return fmt.Errorf("read vector: %d numbers, the model has %d", n/4, e.model.Dims())
	}
	b.Value(result)
	return nil
}
