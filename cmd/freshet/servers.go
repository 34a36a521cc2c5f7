package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/freshet/freshet/accel/anthropic"
	"github.com/freshet/freshet/accel/ollama"
	"github.com/freshet/freshet/accel/openai"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/accel/tei"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// serverConfig says where a model is served. The kinds write it with defaults and notes of their own.
type serverConfig struct {
	BaseURL string
	Model   string
	APIKey  string
}

type openaiConfig struct {
	BaseURL string `yaml:"base_url" default:"https://api.openai.com/v1" doc:"Address below which /embeddings, /chat/completions, /rerank and /audio/transcriptions lie."`
	Model   string `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as a bearer token. For OpenAI itself OPENAI_API_KEY is taken where it is absent."`
}

type anthropicConfig struct {
	BaseURL string `yaml:"base_url" default:"https://api.anthropic.com/v1" doc:"Address below which /messages lies."`
	Model   string `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as x-api-key. For Anthropic itself ANTHROPIC_API_KEY is taken where it is absent."`
}

type ollamaConfig struct {
	BaseURL string `yaml:"base_url" default:"http://127.0.0.1:11434" doc:"Address below which /api lies."`
	Model   string `yaml:"model" required:"true" doc:"Name that the server knows the model by."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as a bearer token; none where absent."`
}

type teiConfig struct {
	BaseURL string `yaml:"base_url" required:"true" doc:"Address below which /embed and /rerank lie."`
	Model   string `yaml:"model" required:"true" doc:"The model that the server serves; it says so nowhere in its replies."`
	APIKey  string `yaml:"api_key" secret:"true" doc:"Sent as a bearer token; none where absent."`
	Most    int    `yaml:"client_batch" default:"32" min:"1" max:"65536" doc:"Most texts that the server takes in one request: its --max-client-batch-size."`
}

func (c *openaiConfig) server() serverConfig    { return serverConfig(*c) }
func (c *anthropicConfig) server() serverConfig { return serverConfig(*c) }
func (c *ollamaConfig) server() serverConfig    { return serverConfig(*c) }
func (c *teiConfig) server() serverConfig       { return serverConfig{c.BaseURL, c.Model, c.APIKey} }

// house is what has to be known of a kind of servers besides its protocol.
type house struct {
	kind    string // as the flow file names it
	example string // an address, as a hint
	// Where the maker of the protocol answers itself, the name of the maker, and the variable that holds the key: the one
	// place that this key is for. Empty where there is none.
	home, maker, variable string
}

func openaiHouse() house {
	return house{kind: "openai", example: "http://127.0.0.1:8080/v1", home: "https://api.openai.com/v1", maker: "OpenAI", variable: "OPENAI_API_KEY"}
}

func anthropicHouse() house {
	return house{kind: "anthropic", example: anthropic.DefaultURL, home: anthropic.DefaultURL, maker: "Anthropic", variable: "ANTHROPIC_API_KEY"}
}

// dial makes a client as the flow file says, and how it is to be asked. It sends nothing.
func dial[C any](e *endpoints, h house, name string, config any, m flowfile.ModelConfig, env *flowfile.Env, make func(rest.ModelOptions) (C, error)) (client C, o operators.ModelOptions, err error) {
	if err := priced(m); err != nil {
		return client, o, err
	}
	c := config.(interface{ server() serverConfig }).server()
	if c.APIKey == "" && h.home != "" && strings.TrimRight(c.BaseURL, "/") == h.home {
		if c.APIKey = os.Getenv(h.variable); c.APIKey == "" {
			return client, o, &stream.Problem{Code: "missing_env", Message: fmt.Sprintf("%s wants a key, and the environment variable %s is not set", h.maker, h.variable),
				Hint: fmt.Sprintf("set it: export %s=…; or write api_key: \"${NAME}\"", h.variable)}
		}
	}
	client, err = make(rest.ModelOptions{BaseURL: c.BaseURL, Model: c.Model, APIKey: rest.Secret(c.APIKey), Dims: m.Dims, Timeout: m.Limits.Timeout})
	if err != nil {
		// Most often it is the address.
		return client, o, &stream.Problem{Code: "bad_value", Field: "base_url", Message: err.Error(), Hint: "write the server's address, such as " + h.example}
	}
	o, err = e.asking(name, endpoint{h.kind, c}, m, env.Logger.With("model", name))
	return client, o, err
}

func (e *endpoints) newOpenAI(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	client, o, err := dial(e, openaiHouse(), name, config, m, env, openai.New)
	if err != nil {
		return nil, err
	}
	return newServed(name, client, m, o), nil
}

func (e *endpoints) newOllama(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	client, o, err := dial(e, house{kind: "ollama", example: "http://127.0.0.1:11434"}, name, config, m, env, ollama.New)
	if err != nil {
		return nil, err
	}
	return newServed(name, client, m, o), nil
}

func (e *endpoints) newTEI(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	client, o, err := dial(e, house{kind: "tei", example: "http://127.0.0.1:8080"}, name, config, m, env, tei.New)
	if err != nil {
		return nil, err
	}
	o.Rows = min(o.Rows, config.(*teiConfig).Most)
	return newServed(name, client, m, o), nil
}

func (e *endpoints) newAnthropic(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	client, o, err := dial(e, anthropicHouse(), name, config, m, env, anthropic.New)
	if err != nil {
		return nil, err
	}
	return operators.NewGenerative(name, client, o), nil
}
