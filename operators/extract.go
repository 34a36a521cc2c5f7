package operators

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// ExtractConfig is `extract: {model: …, prompt: …, output: {field: type}}`.
type ExtractConfig struct {
	Model       string           `yaml:"model" required:"true" doc:"The model that answers: one of the flow's models, or <kind>/<model>."`
	Prompt      PromptText       `yaml:"prompt" required:"true" doc:"What is asked: a text in which {{ CEL }} stands for what a row holds, or {file: …}. Where all that a row would fill in is null the fields are null and no call is made."`
	Output      []ExtractField   `yaml:"output" required:"true" doc:"The fields and their types: {product: string, severity: \"enum(low, high)\", due: \"date?\"}."`
	Examples    []ExtractExample `yaml:"examples" doc:"Questions with the answers that are wanted."`
	Temperature *float64         `yaml:"temperature" min:"0" max:"2" doc:"How freely the model answers; the server's own where absent."`
	As          string           `yaml:"as" doc:"Name of one json column for all fields; a column for each where absent."`
}

// PromptText is a text, or a file that holds it.
type PromptText struct {
	Text string `yaml:",scalar"`
	File string `yaml:"file" doc:"A file with the text."`
}

// ExtractField is a field of the output.
type ExtractField struct {
	Name string   `yaml:",key"`
	Type cdc.Type `yaml:",value"`
}

// ExtractExample is a question with the answer that is wanted.
type ExtractExample struct {
	Prompt string `yaml:"prompt" required:"true" doc:"The question, as a prompt would ask it."`
	Answer string `yaml:"answer" required:"true" doc:"The answer, as JSON."`
}

// extractVersion changes when a call of the same model and prompt means something else than before.
const extractVersion = 1

// Texts is a model that answers prompts with texts, such as one that can do so besides making vectors.
type Texts interface {
	stream.Model
	// Texts is the model in that role. The error says why it has another one.
	Texts() (*Generative, error)
}

// Texts is the model itself.
func (g *Generative) Texts() (*Generative, error) { return g, nil }

type extract struct {
	config ExtractConfig
	model  *Generative
	fields []cdc.Column
	task   stream.Fingerprint
	logic  []byte
}

// NewExtract is the operator that adds fields which a model reads in a row.
func NewExtract(c ExtractConfig, model stream.Model) (stream.Operator, error) {
	texts, ok := model.(Texts)
	if !ok {
		return nil, &stream.Problem{Code: "bad_value", Field: "model",
			Message: fmt.Sprintf("the model %q answers no prompts", model.Name()), Hint: "name a chat model behind a server"}
	}
	g, err := texts.Texts()
	if err != nil {
		return nil, err
	}
	e := extract{config: c, model: g}
	for _, f := range c.Output {
		if err := checkField(f); err != nil {
			return nil, err
		}
		e.fields = append(e.fields, cdc.Column{Name: f.Name, Type: f.Type})
	}
	if len(e.fields) == 0 {
		return nil, &stream.Problem{Code: "bad_value", Field: "output", Message: "there is nothing to extract", Hint: "name a field: {product: string}"}
	}
	task := accel.Task{Name: "answer", Temperature: c.Temperature, Read: func(answer string) ([]byte, string) { return readAnswer(e.fields, answer) }}
	if task.Schema, err = schemaOf(e.fields); err != nil {
		return nil, fmt.Errorf("write the schema of the output: %w", err)
	}
	for i, x := range c.Examples {
		object, complaint := readAnswer(e.fields, x.Answer)
		if complaint != "" {
			return nil, &stream.Problem{Code: "bad_value", Field: "examples." + strconv.Itoa(i) + ".answer", Message: complaint,
				Hint: "write the answer as the model should: a JSON object with the fields of output"}
		}
		task.Examples = append(task.Examples, accel.Example{Question: x.Prompt, Answer: string(object)})
	}
	// I7: the fingerprint covers the rendered prompt, output, model, temperature and examples, and nothing else.
	asked, err := json.Marshal(struct {
		Schema      json.RawMessage
		Temperature *float64
		Examples    []accel.Example
	}{task.Schema, task.Temperature, task.Examples})
	if err != nil {
		return nil, fmt.Errorf("write what is asked: %w", err)
	}
	e.logic = logic("extract", extractVersion, g.Identity(), asked)
	e.task = g.tasks.assign(e.logic, task)
	return e, nil
}

func checkField(f ExtractField) error {
	if err := checkAdded("output."+f.Name, f.Name); err != nil {
		return err
	}
	if !askable(f.Type) {
		return &stream.Problem{Code: "bad_value", Field: "output." + f.Name, Message: fmt.Sprintf("a model cannot be asked for %s", f.Type),
			Hint: "take one of string, int, float, bool, date, timestamp, enum(a, b), or a list such as [string]"}
	}
	return nil
}

type boundExtract struct {
	carry
	config extract
	prompt *prompt
	shown  []int // places in config.fields of the columns that somebody reads
	null   bool  // there may be nothing to ask
}

// Bind implements stream.Operator.
func (e extract) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	p, err := compilePrompt(e.config.Prompt.Text, in)
	if err != nil {
		return nil, err
	}
	b := &boundExtract{config: e, prompt: p, null: p.optional()}
	added := []string{e.config.As}
	if e.config.As == "" {
		added = nil
		for _, f := range e.fields {
			added = append(added, f.Name)
		}
	}
	for _, name := range added {
		if isKeyColumn(in, name) {
			return nil, &stream.Problem{Code: "bad_value", Field: "output", Message: fmt.Sprintf("%q is part of the key and cannot be replaced", name),
				Hint: "name the field otherwise, or put all of them into one column: as: facts"}
		}
	}
	b.carry = carrying(in, keep, added...)
	if e.config.As != "" {
		if keep(e.config.As) {
			b.shown = []int{0}
			b.add(e.config.As, cdc.Type{Kind: cdc.JSON, Nullable: b.null})
		}
		return b, nil
	}
	for i, f := range e.fields {
		if keep(f.Name) {
			t := f.Type
			t.Nullable = t.Nullable || b.null
			b.shown = append(b.shown, i)
			b.add(f.Name, t)
		}
	}
	return b, nil
}

func (e *boundExtract) Schema() *cdc.Schema { return e.schema }
func (e *boundExtract) Reads() []string     { return e.prompt.reads() }

func (e *boundExtract) Logic() []byte {
	return logic("extract", extractVersion, e.config.logic, e.prompt.logic(), []byte(e.config.config.As))
}

// Calls implements stream.Caller. I7: the prompt itself is in the input, so that steps which ask the same of
// the same model share the answer.
func (e *boundExtract) Calls() stream.Calls {
	return stream.Calls{Model: e.config.model, Logic: e.config.logic}
}

// Input implements stream.Caller.
func (e *boundExtract) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	return e.prompt.render(append(dst, e.config.task[:]...), in)
}

// Output implements stream.Caller.
func (e *boundExtract) Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	e.append(b, in)
	if len(e.shown) == 0 {
		return nil
	}
	if result.State != cdc.Set {
		for range e.shown {
			b.Null()
		}
		return nil
	}
	if e.config.config.As != "" {
		// A result and a json value are written alike.
		row, err := cdc.RowFromJSON(&cdc.Schema{Columns: e.schema.Columns[len(e.schema.Columns)-1:]}, wrap(e.config.config.As, result.Raw))
		if err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		b.Value(row.At(0))
		return nil
	}
	row, err := cdc.RowFromJSON(&cdc.Schema{Columns: e.config.fields}, result.Raw)
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	for _, i := range e.shown {
		b.Value(row.At(i))
	}
	return nil
}

// wrap makes an object of one member.
func wrap(name string, value []byte) []byte {
	object := append(cdc.AppendJSONString([]byte{'{'}, name), ':')
	return append(append(object, value...), '}')
}
