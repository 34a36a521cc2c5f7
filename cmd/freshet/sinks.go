package main

import (
	"github.com/freshet/freshet/sinks/jsonl"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

func sinkKinds() map[string]flowfile.SinkKind {
	return map[string]flowfile.SinkKind{
		"vector": {Doc: "The embedded index: rows with a vector, searched by `query`, HTTP and the page.",
			New: func() any { return new(vectorConfig) }, Build: newVector},
		"pgvector": {Doc: "Tables of PostgreSQL with a vector that the extension vector indexes; a transaction of the source is one there.",
			New: func() any { return new(pgvectorConfig) }, Build: newPgvector},
		"postgres": {Doc: "Tables of PostgreSQL, each a mirror of a collection; a transaction of the source is one there.",
			New: func() any { return new(postgresConfig) }, Build: newPostgres},
		"qdrant": {Doc: "A collection of Qdrant, behind an alias that a new model switches in one step.",
			New: func() any { return new(qdrantConfig) }, Build: newQdrant},
		"kafka": {Doc: "A topic: the newest record of a key is its row, a null value its end; whole epochs in transactions.",
			New: func() any { return new(kafkaSinkConfig) }, Build: newKafkaSink},
		"jsonl": {Doc: "A change log, one JSON object a line; the last line of a key is its state. With several collections a key begins with the name of its own, as in shop.orders/7.",
			New: func() any { return new(jsonlConfig) }, Build: newJSONL},
	}
}

type vectorConfig struct {
	Metric string `yaml:"metric" default:"cosine" enum:"cosine,dot,l2" doc:"How likeness is measured."`
	Path   string `yaml:"path" doc:"Folder of the index; in the state of the flow where absent."`
}

func newVector(config any, env *flowfile.Env) (stream.Sink, error) {
	c := config.(*vectorConfig)
	metric, err := stream.ParseMetric(c.Metric)
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "metric", Message: err.Error(), Hint: "write cosine, dot or l2"}
	}
	o := vector.SinkOptions{Metric: metric, Logger: env.Logger}
	if c.Path != "" {
		o.Path = env.Path(c.Path)
	}
	return vector.NewSink(o), nil
}

// targetConfig is what the sinks over PostgreSQL have in common.
type targetConfig struct {
	DSN    string `yaml:"dsn" required:"true" secret:"true" doc:"The server and the database, as a URL; write the password as ${NAME}."`
	Table  string `yaml:"table" doc:"Name of the table, with a schema where it is another than the first of the search path; the collection's name where absent."`
	Manage bool   `yaml:"manage" default:"true" doc:"Make and migrate tables, indexes and the table freshet_progress; otherwise what is missing is named with its SQL."`
}

func (c *targetConfig) options(env *flowfile.Env) pgvector.Options {
	return pgvector.Options{DSN: c.DSN, Table: c.Table, Unmanaged: !c.Manage, Logger: env.Logger}
}

type postgresConfig struct {
	targetConfig `yaml:",inline"`
}

func newPostgres(config any, env *flowfile.Env) (stream.Sink, error) {
	return pgvector.NewTable(config.(*postgresConfig).options(env))
}

type pgvectorConfig struct {
	targetConfig `yaml:",inline"`
	Index        string `yaml:"index" default:"hnsw" enum:"hnsw,ivfflat,none" doc:"How vectors are searched: a graph, lists, or by reading every row."`
	Metric       string `yaml:"metric" default:"cosine" enum:"cosine,dot,l2" doc:"How likeness is measured."`
	Type         string `yaml:"type" default:"vector" enum:"vector,halfvec" doc:"How a number of a vector is stored: in 4 bytes, or in 2."`
}

func newPgvector(config any, env *flowfile.Env) (stream.Sink, error) {
	c := config.(*pgvectorConfig)
	o := c.options(env)
	var err error
	if o.Index, err = pgvector.ParseIndex(c.Index); err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "index", Message: err.Error(), Hint: "write hnsw, ivfflat or none"}
	}
	if o.Metric, err = stream.ParseMetric(c.Metric); err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "metric", Message: err.Error(), Hint: "write cosine, dot or l2"}
	}
	o.Half = c.Type == "halfvec"
	return pgvector.New(o)
}

type jsonlConfig struct {
	Path string `yaml:"path" required:"true" doc:"The file; its folder is made where it is missing."`
}

func newJSONL(config any, env *flowfile.Env) (stream.Sink, error) {
	return jsonl.New(jsonl.Options{Path: env.Path(config.(*jsonlConfig).Path)})
}
