package main

import (
	"context"

	"github.com/freshet/freshet/accel/kserve"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type kserveConfig struct {
	URL     string                  `yaml:"url" required:"true" doc:"grpc://host:port, grpc+tls://host:port or unix:/path."`
	Model   string                  `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	Version string                  `yaml:"version" doc:"Its version; the one that the server prefers where absent."`
	Input   string                  `yaml:"input" doc:"The tensor of texts; the only one of BYTES that the model takes where absent."`
	Output  string                  `yaml:"output" doc:"The tensor of vectors; the only one of FP32 or FP16 that the model gives where absent."`
	TLS     operators.WorkerSecrets `yaml:"tls" doc:"How a server with grpc+tls is met."`
}

// servedVectors is a model behind a server of KServe v2.
type servedVectors struct {
	*operators.Remote
	client *kserve.Client
}

func (e *endpoints) newKServe(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*kserveConfig)
	if err := priced(m); err != nil {
		return nil, err
	}
	secrets, err := secrets(&c.TLS, env)
	if err != nil {
		return nil, err
	}
	client, err := kserve.New(kserve.Options{Address: c.URL, TLS: secrets, Model: c.Model, Version: c.Version, Input: c.Input, Output: c.Output,
		Dims: m.Dims, Timeout: m.Limits.Timeout})
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "url", Message: err.Error(), Hint: "write the server's address, such as grpc://127.0.0.1:8001"}
	}
	at := endpoint{"kserve", serverConfig{BaseURL: c.URL, Model: c.Model + " " + c.Version}}
	o, err := e.asking(name, at, m, env.Logger.With("model", name))
	if err != nil {
		return nil, err
	}
	return &servedVectors{Remote: operators.NewRemote(name, client, o), client: client}, nil
}

// measure asks the server for the length of the vectors.
func (s *servedVectors) measure(ctx context.Context) error { return s.client.Learn(ctx) }
