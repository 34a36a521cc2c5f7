package main

import (
	"fmt"
	"time"

	"github.com/freshet/freshet/cdc/files"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// registry is what a flow file may name. A distribution with other connectors is another main with
// another registry.
func registry() flowfile.Registry {
	servers := newEndpoints()
	return flowfile.Registry{
		Sources: map[string]flowfile.SourceKind{
			"files": {Doc: "Every regular file below a folder, keyed by its relative path; changes are followed.",
				New: func() any { return new(filesConfig) }, Build: newFiles},
			"postgres": postgresSources(),
			"kafka":    kafkaSource(),
			"http": {Doc: "Changes that are pushed as JSON over HTTP, each request answered once it is durable.",
				New: func() any { return new(pushConfig) }, Build: newPush},
			"s3": {Doc: "Every object of a bucket below a prefix, keyed by its key; changes are followed.",
				New: func() any { return new(s3Config) }, Build: newS3},
		},
		Operators: map[string]flowfile.OperatorKind{
			"filter": {Doc: "Keeps the rows for which a condition holds.",
				New: func() any { return new(operators.FilterConfig) }, Build: newFilter},
			"map": {Doc: "Computes exactly these columns; the key stays.",
				New: func() any { return new(operators.MapConfig) }, Build: newMap},
			"split": {Doc: "Cuts a text into chunks, each a row of its own that keeps its key while its text stays.",
				New: func() any { return new(operators.SplitConfig) }, Build: newSplit},
			"embed": {Doc: "Adds the vector of a text or an image, asked of a model once for each.",
				New: func() any { return new(operators.EmbedConfig) }, Build: asks(func(c *operators.EmbedConfig) string { return c.Model }, operators.NewEmbed)},
			"extract": {Doc: "Adds fields that a model reads in a row, asked once for the same prompt.",
				New: func() any { return new(operators.ExtractConfig) }, Build: newExtract},
			"rerank": {Doc: "Adds how well a text answers a query, asked of a model once for the same two.",
				New: func() any { return new(operators.RerankConfig) }, Build: asks(func(c *operators.RerankConfig) string { return c.Model }, operators.NewRerank)},
			"transcribe": {Doc: "Adds what is said in a recording, asked of a model once for the same one.",
				New: func() any { return new(operators.TranscribeConfig) }, Build: asks(func(c *operators.TranscribeConfig) string { return c.Model }, operators.NewTranscribe)},
			"call": {Doc: "Adds what a function of a worker, a program in any language, gives for a row; called once for the same input.",
				New: func() any { return new(operators.CallConfig) }, Build: newCall},
		},
		Sinks: sinkKinds(),
		Models: map[string]flowfile.ModelKind{
			"openai": {Doc: "A model of vectors, texts, scores or transcripts behind a server that speaks OpenAI's protocol.",
				New: func() any { return new(openaiConfig) }, Build: servers.newOpenAI},
			"anthropic": {Doc: "A model of texts behind Anthropic's Messages.",
				New: func() any { return new(anthropicConfig) }, Build: servers.newAnthropic},
			"ollama": {Doc: "A model of vectors or texts behind Ollama.",
				New: func() any { return new(ollamaConfig) }, Build: servers.newOllama},
			"tei": {Doc: "A model of vectors or scores behind Text Embeddings Inference.",
				New: func() any { return new(teiConfig) }, Build: servers.newTEI},
			"flight": {Doc: "A model of vectors behind a worker that is reached over Arrow Flight.",
				New: func() any { return new(flightConfig) }, Build: servers.newFlight},
			"kserve": {Doc: "A model of vectors behind Triton, or another server that speaks KServe v2 over gRPC.",
				New: func() any { return new(kserveConfig) }, Build: servers.newKServe},
			"worker": {Doc: "A model of vectors behind a worker that the flow starts.",
				New: func() any { return new(workerConfig) }, Build: newWorker},
			"builtin": {Doc: "A model inside freshet that needs nothing: word vectors distilled from all-MiniLM-L6-v2, made for English.",
				New: func() any { return new(builtinConfig) }, Build: newBuiltin},
		},
		Project: newProjection,
	}
}

type filesConfig struct {
	Path      string        `yaml:"path" required:"true" doc:"The folder; what the flow itself writes in it is left out."`
	Include   []string      `yaml:"include,single" doc:"Globs on the relative path; every file where absent. ** spans directories."`
	Exclude   []string      `yaml:"exclude,single" doc:"Globs of files and directories to leave out."`
	MaxSize   int64         `yaml:"max_size" unit:"bytes" default:"64MiB" min:"1" doc:"A larger file is a dead letter."`
	Poll      time.Duration `yaml:"poll" min:"10ms" doc:"Compare the folder at this interval instead of being notified, for mounts that notify nobody."`
	Reconcile time.Duration `yaml:"reconcile" default:"10m" min:"1s" doc:"Compare the folder this often although notices are at work."`
	MaxDelete float64       `yaml:"max_delete" default:"0.5" min:"0" max:"1" doc:"Share of the known files that may be found gone at once; beyond it nothing is deleted and the flow stops."`
}

func newFiles(config any, env *flowfile.Env) (stream.Source, error) {
	c := config.(*filesConfig)
	s, err := files.New(files.Options{Path: env.Path(c.Path), Include: c.Include, Exclude: c.Exclude, MaxSize: c.MaxSize,
		Poll: c.Poll, Reconcile: c.Reconcile, MaxDelete: c.MaxDelete, Logger: env.Logger})
	if err != nil {
		return nil, problemsOf(err)
	}
	return s, nil
}

func newFilter(config any, _ *flowfile.Env) (stream.Operator, error) {
	return operators.NewFilter(*config.(*operators.FilterConfig))
}

func newMap(config any, _ *flowfile.Env) (stream.Operator, error) {
	return operators.NewMap(*config.(*operators.MapConfig))
}

func newSplit(config any, _ *flowfile.Env) (stream.Operator, error) {
	return operators.NewSplit(*config.(*operators.SplitConfig))
}

// asks builds the steps of a kind that asks the model which its config names.
func asks[C any](model func(*C) string, build func(C, stream.Model) (stream.Operator, error)) func(any, *flowfile.Env) (stream.Operator, error) {
	return func(config any, env *flowfile.Env) (stream.Operator, error) {
		c := config.(*C)
		m, err := env.Model(model(c))
		if err != nil {
			return nil, err
		}
		return build(*c, m)
	}
}

// newProjection is the operator behind `columns: {column: expression}` of a sink.
func newProjection(columns []flowfile.NamedExpr, to stream.Sink) (stream.Operator, error) {
	var c operators.MapConfig
	if carrier, ok := to.(stream.Carrier); ok {
		c.Carry = carrier.Carries
	}
	for _, x := range columns {
		c.Columns = append(c.Columns, operators.MapColumn{Name: x.Name, Expression: x.Expr})
	}
	op, err := operators.NewMap(c)
	if err != nil {
		return nil, fmt.Errorf("compute columns: %w", err)
	}
	return op, nil
}
