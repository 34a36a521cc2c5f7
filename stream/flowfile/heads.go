package flowfile

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// fileHead are the keys of a flow file.
type fileHead struct {
	Flow    string       `yaml:"flow" required:"true" doc:"Name of the flow. Its state lies in .freshet/<flow> beside the file unless --state says otherwise."`
	Limits  limitsHead   `yaml:"limits" doc:"What the flow may take of its machine."`
	Models  *yaml.Node   `yaml:"models" doc:"Models by name. A step may also name openai/<model> or builtin without declaring it here."`
	Sources *yaml.Node   `yaml:"sources" required:"true" doc:"Sources by name, each with one kind."`
	Steps   *yaml.Node   `yaml:"steps" doc:"Steps by name, each with one operator."`
	Sinks   *yaml.Node   `yaml:"sinks" required:"true" doc:"Sinks by name, each with one kind."`
	Tests   []*yaml.Node `yaml:"tests" doc:"Rows given to a step and the rows wanted of it, for the verb test."`
}

type limitsHead struct {
	Memory   int64 `yaml:"memory" unit:"bytes" default:"512MiB" min:"16MiB" doc:"Memory that the flow keeps within, whatever its sources, models and sinks do."`
	DiskFree int64 `yaml:"disk_free" unit:"bytes" default:"1GiB" min:"1" doc:"Space that stays free where the state lies; below it the flow stops taking changes."`
}

// stepHead are the keys of a step beside its operator.
type stepHead struct {
	From    string        `yaml:"from" required:"true" doc:"The source, collection or step whose rows are read."`
	OnError string        `yaml:"on_error" enum:"dlq,fail,keep_stale" default:"dlq" doc:"What becomes of a rejected row: kept as a dead letter and its old output removed, the flow stops, or kept as a dead letter while its old output stays."`
	MaxHold time.Duration `yaml:"max_hold" min:"0s" doc:"Removals wait at most this long for calls of their owner; without it they wait."`
	Was     string        `yaml:"was" doc:"Name that the step had before, so that its state stays."`
}

func (h stepHead) options() stream.StepOptions {
	o := stream.StepOptions{MaxHold: h.MaxHold, Was: h.Was}
	switch h.OnError {
	case "fail":
		o.OnError = stream.Fail
	case "keep_stale":
		o.OnError = stream.KeepStale
	}
	return o
}

// Validate checks the earlier name.
func (h stepHead) Validate() error {
	if h.Was == "" {
		return nil
	}
	return inField("was", stream.CheckName(h.Was))
}

// sinkHead are the keys of a sink beside its kind.
type sinkHead struct {
	From          []string    `yaml:"from,single" required:"true" doc:"The collections to keep: one, or a list that is written in one transaction where the sink has transactions."`
	Columns       sinkColumns `yaml:"columns" doc:"Columns of the sink's rows: a list of names, or {column: expression}. All of them where absent."`
	Key           []string    `yaml:"key" doc:"Columns that are the key of the sink's rows; the key of the collection where absent."`
	OnLogicChange string      `yaml:"on_logic_change" enum:"in_place,swap" default:"in_place" doc:"A changed flow re-derives rows in place, or fills a new target beside the old one and swaps when it is complete."`
}

// Validate checks the lists.
func (h sinkHead) Validate() error {
	for field, names := range map[string][]string{"from": h.From, "columns": h.Columns.Names, "key": h.Key} {
		for i, name := range names {
			if slices.Contains(names[:i], name) {
				return &stream.Problem{Code: "duplicate_name", Field: field + "." + strconv.Itoa(i),
					Message: fmt.Sprintf("%q is listed twice", name), Hint: "remove one of the two"}
			}
		}
	}
	return nil
}

type sinkColumns struct {
	Names []string    `yaml:",list"`
	Exprs []NamedExpr `yaml:",rest"`
}

// sourceHead are the keys of a source beside its kind: none.
type sourceHead struct{}

// inField puts a fault at a key.
func inField(field string, err error) error {
	for _, p := range stream.Problems(err) {
		q := *p
		q.Field = field
		return &q
	}
	return nil
}

// ModelConfig are the keys of a model beside its kind. A zero that has no default means what the
// documentation of its key says.
type ModelConfig struct {
	Dims   int           `yaml:"dims" min:"1" max:"65536" doc:"Length of the model's vectors. The server is asked where it is absent."`
	Batch  Batch         `yaml:"batch" doc:"Bounds of one request."`
	Limits ModelLimits   `yaml:"limits" doc:"Bounds of all requests."`
	Price  Price         `yaml:"price" doc:"What the model costs, for plan, status and budget."`
	Budget Budget        `yaml:"budget" doc:"What may be spent."`
	Canary time.Duration `yaml:"canary" min:"1s" doc:"Ask for a fixed text at most this often, to notice a model that changed under its name; never where absent."`
}

// Batch bounds one request to a model.
type Batch struct {
	Rows   int `yaml:"rows" default:"64" min:"1" max:"65536" doc:"Most texts in one request."`
	Tokens int `yaml:"tokens" default:"16384" min:"1" doc:"Most tokens in one request, estimated; a longer text goes alone."`

	Padded bool `yaml:"padded" doc:"The server makes every text of a request as long as the longest, as ONNX Runtime and plain PyTorch do: texts of like length go together, and tokens count with what is padded."`
}

// ModelLimits bound all requests to a model.
type ModelLimits struct {
	Concurrency int           `yaml:"concurrency" default:"8" min:"1" max:"4096" doc:"Most requests in flight."`
	RPM         int           `yaml:"rpm" min:"1" doc:"Requests per minute; without bound where absent, unless the server announces one."`
	TPM         int           `yaml:"tpm" min:"1" doc:"Tokens per minute; without bound where absent, unless the server announces one."`
	Timeout     time.Duration `yaml:"timeout" default:"30s" min:"1ms" doc:"How long one request may take until its reply is complete."`
}

// Price is in US dollars for a million tokens.
type Price struct {
	InputPerMTok  float64 `yaml:"input_per_mtok" min:"0" doc:"US dollars for a million tokens sent."`
	OutputPerMTok float64 `yaml:"output_per_mtok" min:"0" doc:"US dollars for a million tokens received."`
}

// Budget bounds the spending of a UTC day.
type Budget struct {
	USDPerDay *float64 `yaml:"usd_per_day" min:"0" doc:"Most US dollars of a UTC day; without bound where absent."`
	OnExceed  string   `yaml:"on_exceed" enum:"pause" default:"pause" doc:"What happens at the bound: calls wait for the next day."`
}
