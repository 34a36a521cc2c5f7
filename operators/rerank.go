package operators

import (
	"fmt"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// RerankConfig is `rerank: {model: …, query: …, text: …}`.
type RerankConfig struct {
	Model string `yaml:"model" required:"true" doc:"The model that scores: one of the flow's models, or <kind>/<model>."`
	Query string `yaml:"query" required:"true" doc:"A CEL expression for the query. Rows that have the same one are asked together."`
	Text  string `yaml:"text" required:"true" doc:"A CEL expression for the text that is held against it. Where one of both is null or empty the score is null and no call is made."`
	As    string `yaml:"as" default:"score" doc:"Name of the column for the score: the greater, the better the text answers the query; its range is the model's."`
}

// rerankVersion changes when a call of the same model, query and text means something else than before.
const rerankVersion = 1

// DefaultScore is the column that rerank adds unless told otherwise.
const DefaultScore = "score"

// Scorer makes a ranker behind a server a model that the engine asks through a queue. Its results are scores. It is safe
// for concurrent use.
type Scorer struct{ *asker }

var (
	_ stream.RemoteModel = (*Scorer)(nil)
	_ stream.CallQueue   = (*Scorer)(nil)
	_ stream.Remembering = (*Scorer)(nil)
	_ stream.Resuming    = (*Scorer)(nil)
)

// NewScorer names a ranker. Options.Done is the adapter's own, and there is no canary.
func NewScorer(name string, r accel.Ranker, o ModelOptions) *Scorer {
	o.CanaryEvery = 0
	return &Scorer{newAsker(name, accel.Ranking(r), o, true)}
}

// Scores is a model that scores texts, such as one that can do so besides other things.
type Scores interface {
	stream.Model
	// Scores is the model in that role. The error says why it has another one, or none.
	Scores() (*Scorer, error)
}

// Scores is the model itself.
func (s *Scorer) Scores() (*Scorer, error) { return s, nil }

type rerank struct {
	config RerankConfig
	model  *Scorer
}

// NewRerank is the operator that adds how well a text answers a query.
func NewRerank(c RerankConfig, model stream.Model) (stream.Operator, error) {
	if c.As == "" {
		c.As = DefaultScore
	}
	if err := checkAdded("as", c.As); err != nil {
		return nil, err
	}
	scores, ok := model.(Scores)
	if !ok {
		return nil, &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q scores no texts", model.Name()),
			Hint: "name a re-ranker behind a server: a model of kind openai or tei"}
	}
	m, err := scores.Scores()
	if err != nil {
		return nil, err
	}
	return rerank{config: c, model: m}, nil
}

type boundRerank struct {
	carry
	model       *Scorer
	query, text *expr.Program
	as          string
	shown       bool // somebody reads the score
}

// Bind implements stream.Operator.
func (r rerank) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	query, text, err := compileTwo(in, cdc.String, [2]string{"query", r.config.Query}, [2]string{"text", r.config.Text})
	if err != nil {
		return nil, err
	}
	if err := checkReplaced(in, r.config.As); err != nil {
		return nil, err
	}
	b := &boundRerank{carry: carrying(in, keep, r.config.As), model: r.model, query: query, text: text, as: r.config.As}
	if b.shown = keep(r.config.As); b.shown {
		b.add(r.config.As, cdc.Type{Kind: cdc.Float64, Nullable: true})
	}
	return b, nil
}

func (r *boundRerank) Schema() *cdc.Schema { return r.schema }
func (r *boundRerank) Reads() []string     { return readsOf(r.query, r.text) }

func (r *boundRerank) Logic() []byte {
	return logic("rerank", rerankVersion, r.model.Identity(), r.query.Logic(), r.text.Logic(), []byte(r.as))
}

// Calls implements stream.Caller. I7: query and text are in the input, so that steps which ask the same share the score.
func (r *boundRerank) Calls() stream.Calls {
	return stream.Calls{Model: r.model, Logic: logic("rerank", rerankVersion, r.model.Identity())}
}

// Input implements stream.Caller.
func (r *boundRerank) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	query, null, err := r.query.Text(nil, in)
	if err != nil || null || len(query) == 0 {
		return dst, false, err
	}
	text, null, err := r.text.Text(nil, in)
	if err != nil || null || len(text) == 0 {
		return dst, false, err
	}
	return accel.AppendPair(dst, string(query), string(text)), true, nil
}

// Output implements stream.Caller.
func (r *boundRerank) Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	r.append(b, in)
	switch {
	case !r.shown:
	case result.State != cdc.Set:
		b.Null()
	default:
		score, err := accel.ScoreIn(result.Raw)
		if err != nil {
			return err
		}
		b.Float64(score)
	}
	return nil
}
