package main

import (
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type qdrantConfig struct {
	URL          string       `yaml:"url" required:"true" doc:"The server's address for gRPC, such as http://localhost:6334; https encrypts."`
	Collection   string       `yaml:"collection" required:"true" doc:"The name that readers use: an alias for the collection that is the present one."`
	APIKey       string       `yaml:"api_key" secret:"true" doc:"The key of the server; none where absent."`
	Metric       string       `yaml:"metric" default:"cosine" enum:"cosine,dot,l2" doc:"How likeness is measured."`
	TLS          *qdrantTLS   `yaml:"tls" doc:"How an https server is trusted, where the system does not know its certificate."`
	OnDisk       bool         `yaml:"on_disk" doc:"Keep vectors on disk, with a cache, in place of memory."`
	Quantization string       `yaml:"quantization" default:"none" enum:"none,scalar,binary" doc:"Search over smaller copies of the vectors: none, a byte a number, or a bit a number."`
	HNSW         *qdrantIndex `yaml:"hnsw" doc:"How the index over the vectors is made."`
	Shards       uint32       `yaml:"shards" doc:"Shards of a collection that is made; the server's default where absent."`
	Replicas     uint32       `yaml:"replicas" doc:"Replicas of a collection that is made; the server's default where absent."`
	Index        []string     `yaml:"index,single" doc:"Columns whose payload is indexed, for filters."`
}

type qdrantTLS struct {
	CA         string `yaml:"ca" doc:"File of the certificates to trust; those of the system where absent."`
	Cert       string `yaml:"cert" doc:"File of our own certificate."`
	Key        string `yaml:"key" doc:"File of its key."`
	ServerName string `yaml:"server_name" doc:"The name in the server's certificate, where it is not that of the url."`
}

type qdrantIndex struct {
	M           uint64 `yaml:"m" doc:"Edges of a node; the server's default where absent."`
	EfConstruct uint64 `yaml:"ef_construct" doc:"Candidates that are looked at for them; the server's default where absent."`
}

func newQdrant(config any, env *flowfile.Env) (stream.Sink, error) {
	c := config.(*qdrantConfig)
	o := qdrant.Options{URL: c.URL, Collection: c.Collection, APIKey: c.APIKey, OnDisk: c.OnDisk, Shards: c.Shards, Replicas: c.Replicas, Index: c.Index, Logger: env.Logger}
	path := func(p string) string {
		if p == "" {
			return ""
		}
		return env.Path(p)
	}
	if t := c.TLS; t != nil {
		o.TLS = qdrant.TLS{CA: path(t.CA), Cert: path(t.Cert), Key: path(t.Key), ServerName: t.ServerName}
	}
	if x := c.HNSW; x != nil {
		o.M, o.EfConstruct = x.M, x.EfConstruct
	}
	var err error
	if o.Metric, err = stream.ParseMetric(c.Metric); err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "metric", Message: err.Error(), Hint: "write cosine, dot or l2"}
	}
	if o.Quantization, err = qdrant.ParseQuantization(c.Quantization); err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "quantization", Message: err.Error(), Hint: "write none, scalar or binary"}
	}
	return qdrant.New(o)
}
