package main

import (
	"github.com/freshet/freshet/sinks/jsonl"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

func sinkKinds() map[string]flowfile.SinkKind {
	return map[string]flowfile.SinkKind{
		"vector": {Doc: "The embedded index: rows with a vector, searched by `query`, HTTP and the page.",
			New: func() any { return new(vectorConfig) }, Build: newVector},
		"jsonl": {Doc: "A change log, one JSON object a line; the last line of a key is its state.",
			New: func() any { return new(jsonlConfig) }, Build: newJSONL},
	}
}

type vectorConfig struct {
	Metric string `yaml:"metric" default:"cosine" enum:"cosine,dot,l2" doc:"How likeness is measured."`
	Path   string `yaml:"path" doc:"Folder of the index; in the state of the flow where absent."`
}

func newVector(config any, env *flowfile.Env) (stream.Sink, error) {
	c := config.(*vectorConfig)
	metric, err := vector.ParseMetric(c.Metric)
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "metric", Message: err.Error(), Hint: "write cosine, dot or l2"}
	}
	o := vector.SinkOptions{Metric: metric, Logger: env.Logger}
	if c.Path != "" {
		o.Path = env.Path(c.Path)
	}
	return vector.NewSink(o), nil
}

type jsonlConfig struct {
	Path string `yaml:"path" required:"true" doc:"The file; its folder is made where it is missing."`
}

func newJSONL(config any, env *flowfile.Env) (stream.Sink, error) {
	return jsonl.New(jsonl.Options{Path: env.Path(config.(*jsonlConfig).Path)})
}
