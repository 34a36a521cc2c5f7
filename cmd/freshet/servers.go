package main

import (
	"os"
	"strings"

	"github.com/freshet/freshet/accel/anthropic"
	"github.com/freshet/freshet/accel/ollama"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/accel/tei"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type ollamaConfig struct {
	BaseURL string `yaml:"base_url" default:"http://127.0.0.1:11434" doc:"Address below which /api lies."`
	Model   string `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as a bearer token; none where absent."`
}

func newOllama(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*ollamaConfig)
	if err := priced(m); err != nil {
		return nil, err
	}
	client, err := ollama.New(ollama.Options{BaseURL: c.BaseURL, Model: c.Model, APIKey: rest.Secret(c.APIKey), Dims: m.Dims, Timeout: m.Limits.Timeout})
	if err != nil {
		return nil, badAddress(err, "http://127.0.0.1:11434")
	}
	return newDual(name, client, m, env), nil
}

type teiConfig struct {
	BaseURL string `yaml:"base_url" required:"true" doc:"Address below which /embed lies."`
	Model   string `yaml:"model" required:"true" doc:"The model that the server serves; it says so nowhere in its replies."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as a bearer token; none where absent."`
	Most    int    `yaml:"client_batch" default:"32" min:"1" max:"65536" doc:"Most texts that the server takes in one request: its --max-client-batch-size."`
}

func newTEI(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*teiConfig)
	if err := priced(m); err != nil {
		return nil, err
	}
	client, err := tei.New(tei.Options{BaseURL: c.BaseURL, Model: c.Model, APIKey: rest.Secret(c.APIKey), Dims: m.Dims, Timeout: m.Limits.Timeout})
	if err != nil {
		return nil, badAddress(err, "http://127.0.0.1:8080")
	}
	o := asking(m, env.Logger.With("model", name))
	o.Rows = min(o.Rows, c.Most)
	return newVectors(name, client, m, o), nil
}

type anthropicConfig struct {
	BaseURL string `yaml:"base_url" default:"https://api.anthropic.com/v1" doc:"Address below which /messages lies."`
	Model   string `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as x-api-key. For Anthropic itself ANTHROPIC_API_KEY is taken where it is absent."`
}

func newAnthropic(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*anthropicConfig)
	if err := priced(m); err != nil {
		return nil, err
	}
	if c.APIKey == "" && strings.TrimRight(c.BaseURL, "/") == anthropic.DefaultURL {
		if c.APIKey = os.Getenv("ANTHROPIC_API_KEY"); c.APIKey == "" {
			return nil, &stream.Problem{Code: "missing_env", Message: "Anthropic wants a key, and the environment variable ANTHROPIC_API_KEY is not set",
				Hint: "set it: export ANTHROPIC_API_KEY=…; or write api_key: \"${NAME}\""}
		}
	}
	client, err := anthropic.New(anthropic.Options{BaseURL: c.BaseURL, Model: c.Model, APIKey: rest.Secret(c.APIKey), Timeout: m.Limits.Timeout})
	if err != nil {
		return nil, badAddress(err, anthropic.DefaultURL)
	}
	return operators.NewGenerative(name, client, asking(m, env.Logger.With("model", name))), nil
}

// badAddress is what is wrong with the options of a client, most often with the address.
func badAddress(err error, example string) error {
	return &stream.Problem{Code: "bad_value", Field: "base_url", Message: err.Error(), Hint: "write the server's address, such as " + example}
}
