package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
	"github.com/freshet/freshet/accel/worker"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

const (
	// workerBytes bounds what a worker is given at once, by the estimate of a third of a token for a byte.
	workerBytes = 16 << 20
	// workerPatience is what a request to a worker may take besides the time that it may be silent at each row:
	// starting it, and loading its model.
	workerPatience = 15 * time.Minute
)

// learner is a model of a worker that has to be asked what it serves before the flow can be planned.
type learner interface {
	stream.Model
	// learn asks it. The error is a *stream.Problem where the flow does not fit what it serves.
	learn(ctx context.Context) error
}

// learnWorkers asks the workers of a flow what they serve: the revisions of their functions are part of what
// results are remembered by.
func learnWorkers(ctx context.Context, file *flowfile.File) error {
	for _, name := range slices.Sorted(maps.Keys(file.Models)) {
		m, ok := file.Models[name].(learner)
		if !ok {
			continue
		}
		err := m.learn(ctx)
		if err == nil {
			continue
		}
		if _, ok := errors.AsType[*stream.Problem](err); ok {
			return file.Diagnose(err)
		}
		return newFault("server_unreachable", "start the worker by hand with --describe and see what it says; a relative path of its command starts at the flow file",
			"%s: ask the worker of %s: %s", file.Path, strings.TrimPrefix(name, "call/"), file.Redact(plainWords(err)))
	}
	return nil
}

// plainWords are what a worker, or who asked it, says of why it cannot be asked.
func plainWords(err error) string {
	e, ok := errors.AsType[*accel.Error](err)
	switch {
	case !ok:
		return err.Error()
	case e.Err != nil:
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// calledWorker is the function of a step.
type calledWorker struct {
	*operators.Worker
	function *flight.Function
	step     string
	given    []operators.CallArgument
}

func newCall(config any, env *flowfile.Env) (stream.Operator, error) {
	c := *config.(*operators.CallConfig)
	out, err := c.OutputSchema()
	if err != nil {
		return nil, err
	}
	o := flight.Options{Timeout: c.Timeout, Logger: env.Logger.With("step", env.Node)}
	if err := place(&o, &c.Worker, env); err != nil {
		return nil, under("worker", err)
	}
	client, err := flight.New(o)
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "worker", Message: err.Error(),
			Hint: "write a command as a list, [python3, ./worker.py], or {flight: \"grpc://127.0.0.1:8815\"}"}
	}
	f, err := flight.NewFunction(client, c.Function, out)
	if err != nil {
		return nil, &stream.Problem{Code: "wrong_type", Field: "output", Message: err.Error(), Hint: "take another type"}
	}
	patience := time.Duration(c.Rows)*c.Timeout + workerPatience
	w := operators.NewWorker("call/"+env.Node, f, out, operators.ModelOptions{BatcherOptions: accel.BatcherOptions{
		Governor: backpressure.New(backpressure.Options{Concurrency: flight.DefaultCredits * max(1, len(o.Addresses)), Deadline: patience}),
		Rows:     c.Rows, Tokens: workerBytes / 3, Timeout: patience, Logger: o.Logger}})
	env.Own(&calledWorker{Worker: w, function: f, step: env.Node, given: c.Input})
	return operators.NewCall(c, w)
}

// place says where a worker is.
func place(o *flight.Options, p *operators.WorkerPlace, env *flowfile.Env) error {
	o.Command, o.Dir, o.Addresses = p.Command, env.Dir, p.Flight
	if p.Address != "" {
		o.Addresses = append(o.Addresses, p.Address)
	}
	if len(o.Command) > 0 {
		o.Env = func() []string { return workerEnvironment(env.Logger) }
	}
	var err error
	o.TLS, err = secrets(&p.TLS, env)
	return err
}

// under puts the field of a problem below another one.
func under(field string, err error) error {
	p, ok := errors.AsType[*stream.Problem](err)
	if !ok {
		return err
	}
	q := *p
	q.Field = strings.TrimSuffix(field+"."+p.Field, ".")
	return &q
}

// secrets reads the certificates that servers are met with; nil where the flow names none.
func secrets(s *operators.WorkerSecrets, env *flowfile.Env) (*tls.Config, error) {
	if *s == (operators.WorkerSecrets{}) {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.Name}
	if s.CA != "" {
		text, err := os.ReadFile(env.Path(s.CA))
		config.RootCAs = x509.NewCertPool()
		if err == nil && !config.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New("it holds no certificate")
		}
		if err != nil {
			return nil, badFile("tls.ca", "read authorities", err)
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, &stream.Problem{Code: "missing_key", Field: "tls", Message: "a certificate needs its key, and a key its certificate", Hint: "write both: cert and key"}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(env.Path(s.Cert), env.Path(s.Key))
		if err != nil {
			return nil, badFile("tls.cert", "read certificate", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func badFile(field, doing string, err error) error {
	return &stream.Problem{Code: "bad_value", Field: field, Message: fmt.Sprintf("%s: %s", doing, err), Hint: "name a PEM file; a relative path starts at the flow file"}
}

// learn implements learner: the function has to be there, and to take what the step gives it.
func (w *calledWorker) learn(ctx context.Context) error {
	info, err := w.function.Learn(ctx)
	if missing, ok := errors.AsType[*flight.MissingError](err); ok {
		return &stream.Problem{Code: "unknown_name", Node: w.step, Field: "function", Message: err.Error(),
			Hint: stream.DidYouMean("functions", missing.Name, missing.Served)}
	}
	if err != nil {
		return err
	}
	var faults []error
	var takes []string
	given := map[string]bool{}
	for _, a := range w.given {
		given[a.Name] = true
	}
	for _, p := range info.Parameters {
		takes = append(takes, p.Name)
		if p.Required && !given[p.Name] {
			faults = append(faults, &stream.Problem{Code: "missing_key", Node: w.step, Field: "input",
				Message: fmt.Sprintf("the function %s wants a parameter %q", info.Name, p.Name), Hint: fmt.Sprintf("give it: {%s: row.…}", p.Name)})
		}
	}
	for _, a := range w.given {
		if !info.Open && info.Parameters != nil && !slices.Contains(takes, a.Name) {
			faults = append(faults, &stream.Problem{Code: "unknown_name", Node: w.step, Field: "input." + a.Name,
				Message: fmt.Sprintf("the function %s takes no parameter %q", info.Name, a.Name), Hint: stream.DidYouMean("parameters", a.Name, takes)})
		}
	}
	return errors.Join(faults...)
}

type flightConfig struct {
	URL      []string                `yaml:"url,single" required:"true" doc:"grpc://host:port, grpc+tls://host:port or unix:/path; of several workers, which serve the same, each takes its share: one for each device."`
	Function string                  `yaml:"function" default:"embed" doc:"The embedder of the worker."`
	TLS      operators.WorkerSecrets `yaml:"tls" doc:"How workers with grpc+tls are met."`
}

type workerConfig struct {
	Command  []string `yaml:"command" required:"true" doc:"A program and its arguments, started in the folder of the flow file and ended with the flow: [python3, ./embedder.py]."`
	Function string   `yaml:"function" default:"embed" doc:"The embedder of the worker."`
}

func (e *endpoints) newFlight(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*flightConfig)
	asked, err := e.asking(name, endpoint{"flight", serverConfig{BaseURL: strings.Join(c.URL, " "), Model: c.Function}}, m, env.Logger.With("model", name))
	if err != nil {
		return nil, err
	}
	o := flight.Options{Addresses: c.URL}
	if o.TLS, err = secrets(&c.TLS, env); err != nil {
		return nil, err
	}
	return newEmbeddingWorker(name, "url", c.Function, o, m, asked)
}

func newWorker(name string, config any, m flowfile.ModelConfig, env *flowfile.Env) (stream.Model, error) {
	c := config.(*workerConfig)
	return newEmbeddingWorker(name, "command", c.Function, flight.Options{Command: c.Command, Dir: env.Dir,
		Env: func() []string { return workerEnvironment(env.Logger) }}, m, asking(m, env.Logger.With("model", name)))
}

// embeddingWorker is a model of vectors behind a worker.
type embeddingWorker struct {
	*operators.Remote
	embedder *flight.Embedder
	name     string
}

func newEmbeddingWorker(name, field, function string, o flight.Options, m flowfile.ModelConfig, asked operators.ModelOptions) (stream.Model, error) {
	if err := priced(m); err != nil {
		return nil, err
	}
	o.Timeout, o.Logger = m.Limits.Timeout, asked.Logger
	client, err := flight.New(o)
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: field, Message: err.Error(), Hint: "write grpc://127.0.0.1:8815 or unix:/run/worker.sock, or a command as a list"}
	}
	e := flight.NewEmbedder(client, function, m.Dims)
	// The client itself ends a request at which its worker is silent for too long; to start one takes longer.
	asked.Timeout += workerPatience
	return &embeddingWorker{Remote: operators.NewRemoteVectors(name, e, asked), embedder: e, name: name}, nil
}

// learn implements learner.
func (w *embeddingWorker) learn(ctx context.Context) error {
	_, err := w.embedder.Learn(ctx)
	if missing, ok := errors.AsType[*flight.MissingError](err); ok {
		return &stream.Problem{Code: "unknown_name", Message: fmt.Sprintf("the model %s: %s", w.name, err), Hint: stream.DidYouMean("embedders", missing.Name, missing.Served)}
	}
	if other, ok := errors.AsType[*flight.DimsError](err); ok {
		return &stream.Problem{Code: "dims_mismatch", Message: fmt.Sprintf("the model %s: %s", w.name, err), Hint: fmt.Sprintf("leave dims out, or write dims: %d", other.Served)}
	}
	return err
}

// workerEnvironment is what a worker that the flow starts finds besides the environment of the flow: the module
// freshet_worker, as this binary brings it, behind what PYTHONPATH names already.
func workerEnvironment(log *slog.Logger) []string {
	cache, err := os.UserCacheDir()
	var place string
	if err == nil {
		place, err = worker.Unpack(filepath.Join(cache, "freshet"))
	}
	if err != nil {
		log.Debug("the module freshet_worker is not unpacked: a worker in Python has to find its own", "err", err)
		return nil
	}
	path := os.Getenv("PYTHONPATH")
	if path != "" {
		path += string(os.PathListSeparator)
	}
	return []string{"PYTHONPATH=" + path + place}
}
