package main

import (
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/http"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type pushConfig struct {
	Listen  string        `yaml:"listen" required:"true" doc:"Address to listen at, host:port."`
	Schema  []columnType  `yaml:"schema" required:"true" doc:"The columns of a row, with their types."`
	Key     []string      `yaml:"key,single" required:"true" doc:"The columns of the key."`
	Token   string        `yaml:"token" secret:"true" doc:"What a request has to show as a bearer token; needed where others than this machine reach the address."`
	TLS     *pushTLS      `yaml:"tls" doc:"The certificate to serve with; where absent, requests are not encrypted."`
	MaxBody int64         `yaml:"max_body" unit:"bytes" default:"8MiB" min:"1" doc:"A request with a larger body is refused."`
	Wait    time.Duration `yaml:"wait" default:"30s" min:"1ms" doc:"How long a request waits to be durable before it is told to come again."`
}

type pushTLS struct {
	Cert string `yaml:"cert" required:"true" doc:"PEM file of the certificate."`
	Key  string `yaml:"key" required:"true" doc:"PEM file of its key."`
}

func newPush(config any, env *flowfile.Env) (stream.Source, error) {
	c := config.(*pushConfig)
	o := http.Options{Listen: c.Listen, Key: c.Key, Token: c.Token, MaxBody: c.MaxBody, Wait: c.Wait, Logger: env.Logger}
	for _, f := range c.Schema {
		o.Schema = append(o.Schema, cdc.Column(f))
	}
	if c.TLS != nil {
		o.CertFile, o.KeyFile = env.Path(c.TLS.Cert), env.Path(c.TLS.Key)
	}
	s, err := http.New(o)
	if err != nil {
		return nil, problemsOf(err)
	}
	return s, nil
}
