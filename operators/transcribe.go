package operators

import (
	"fmt"
	"regexp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// TranscribeConfig is `transcribe: {model: …, audio: …}`.
type TranscribeConfig struct {
	Model    string `yaml:"model" required:"true" doc:"The model that listens: one of the flow's models, or <kind>/<model>."`
	Audio    string `yaml:"audio" required:"true" doc:"A CEL expression for the bytes of a file with sound, such as row.content of files. Where it is null or empty the text is null and no call is made."`
	Language string `yaml:"language" doc:"The language that is spoken, as en or de; the model finds out where absent."`
	Prompt   string `yaml:"prompt" doc:"Names and words that are likely to be said, so that the model spells them right."`
	As       string `yaml:"as" default:"text" doc:"Name of the column for what is said; it is empty where nothing is."`
}

// transcribeVersion changes when a call of the same model and recording means something else than before.
const transcribeVersion = 1

// DefaultTranscript is the column that transcribe adds unless told otherwise.
const DefaultTranscript = "text"

// Listener makes a transcriber behind a server a model that the engine asks through a queue. Its results are texts. It is
// safe for concurrent use.
type Listener struct{ *asker }

var (
	_ stream.RemoteModel = (*Listener)(nil)
	_ stream.CallQueue   = (*Listener)(nil)
	_ stream.Remembering = (*Listener)(nil)
	_ stream.Resuming    = (*Listener)(nil)
)

// NewListener names a transcriber. Options.Done and Options.Rows are the adapter's own.
func NewListener(name string, t accel.Transcriber, o ModelOptions) *Listener {
	o.Rows = 1
	return &Listener{newAsker(name, accel.Transcription(t), o, false)}
}

// Transcripts is a model that writes down what is said, such as one that can do so besides other things.
type Transcripts interface {
	stream.Model
	// Transcripts is the model in that role. The error says why it has another one, or none.
	Transcripts() (*Listener, error)
}

// Transcripts is the model itself.
func (l *Listener) Transcripts() (*Listener, error) { return l, nil }

type transcribe struct {
	config TranscribeConfig
	model  *Listener
}

// NewTranscribe is the operator that adds what is said in a recording.
func NewTranscribe(c TranscribeConfig, model stream.Model) (stream.Operator, error) {
	if c.As == "" {
		c.As = DefaultTranscript
	}
	if err := checkAdded("as", c.As); err != nil {
		return nil, err
	}
	if c.Language != "" && !regexp.MustCompile(`^[a-z]{2,3}$`).MatchString(c.Language) {
		return nil, &stream.Problem{Code: "bad_value", Field: "language", Message: fmt.Sprintf("%q is no language", c.Language), Hint: "write its two letters, such as en"}
	}
	transcripts, ok := model.(Transcripts)
	if !ok {
		return nil, &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q writes down no speech", model.Name()),
			Hint: "name a model such as whisper-1 behind a server: of kind openai"}
	}
	m, err := transcripts.Transcripts()
	if err != nil {
		return nil, err
	}
	return transcribe{config: c, model: m}, nil
}

type boundTranscribe struct {
	carry
	of    transcribe
	audio *expr.Program
	shown bool // somebody reads the text
}

// Bind implements stream.Operator.
func (t transcribe) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	audio, err := expr.Compile(t.config.Audio, in, expr.Options{Want: []cdc.Kind{cdc.Bytes}, Field: "audio"})
	if err != nil {
		return nil, err
	}
	if err := checkReplaced(in, t.config.As); err != nil {
		return nil, err
	}
	b := &boundTranscribe{carry: carrying(in, keep, t.config.As), of: t, audio: audio}
	if b.shown = keep(t.config.As); b.shown {
		b.add(t.config.As, cdc.Type{Kind: cdc.String, Nullable: true})
	}
	return b, nil
}

func (t *boundTranscribe) Schema() *cdc.Schema { return t.schema }
func (t *boundTranscribe) Reads() []string     { return t.audio.Reads() }

func (t *boundTranscribe) Logic() []byte {
	c := t.of.config
	return logic("transcribe", transcribeVersion, t.of.model.Identity(), t.audio.Logic(), []byte(c.Language), []byte(c.Prompt), []byte(c.As))
}

// Calls implements stream.Caller. I7: language and prompt are in the input, so that steps which ask the same share the text.
func (t *boundTranscribe) Calls() stream.Calls {
	return stream.Calls{Model: t.of.model, Logic: logic("transcribe", transcribeVersion, t.of.model.Identity())}
}

// Input implements stream.Caller.
func (t *boundTranscribe) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	v, err := t.audio.Eval(in)
	if err != nil || v.State != cdc.Set || len(v.Raw) == 0 {
		return dst, false, err
	}
	r := accel.Recording{Language: t.of.config.Language, Prompt: t.of.config.Prompt, File: string(v.Raw)}
	return r.Append(dst), true, nil
}

// Output implements stream.Caller.
func (t *boundTranscribe) Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	t.append(b, in)
	if t.shown {
		b.Value(result)
	}
	return nil
}
