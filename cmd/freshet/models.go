package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// asking is how a model behind a server is asked, as its keys in the flow file say.
func asking(m flowfile.ModelConfig, log *slog.Logger) operators.ModelOptions {
	o := backpressure.Options{Concurrency: m.Limits.Concurrency, Deadline: m.Limits.Timeout,
		Price: backpressure.PriceOf(m.Price.InputPerMTok, m.Price.OutputPerMTok)}
	o.Limits[backpressure.Requests], o.Limits[backpressure.Tokens] = int64(m.Limits.RPM), int64(m.Limits.TPM)
	if m.Budget.USDPerDay != nil {
		daily := backpressure.MoneyOf(*m.Budget.USDPerDay)
		o.Daily = &daily
	}
	return operators.ModelOptions{CanaryEvery: m.Canary, BatcherOptions: accel.BatcherOptions{Governor: backpressure.New(o),
		Rows: m.Batch.Rows, Tokens: m.Batch.Tokens, Timeout: m.Limits.Timeout, Logger: log}}
}

// priced refuses a budget that nothing would ever be counted against.
func priced(m flowfile.ModelConfig) error {
	if m.Budget.USDPerDay != nil && m.Price == (flowfile.Price{}) {
		return &stream.Problem{Code: "missing_key", Field: "price", Message: "a budget needs a price: without one every call is free",
			Hint: "write what the model costs: `price: {input_per_mtok: …, output_per_mtok: …}`"}
	}
	return nil
}

// inProcess refuses what only a model behind a server has: it costs nothing and waits for nobody.
func inProcess(m flowfile.ModelConfig) error {
	var faults []error
	refuse := func(field string, set bool) {
		if set {
			faults = append(faults, &stream.Problem{Code: "bad_value", Field: field,
				Message: fmt.Sprintf("%s means nothing for a model inside freshet", field), Hint: "leave it out"})
		}
	}
	refuse("limits.rpm", m.Limits.RPM > 0)
	refuse("limits.tpm", m.Limits.TPM > 0)
	refuse("price", m.Price != flowfile.Price{})
	refuse("budget", m.Budget.USDPerDay != nil)
	refuse("canary", m.Canary > 0)
	return errors.Join(faults...)
}

// probeText is embedded to learn how long a model's vectors are.
const probeText = "freshet"

// vectorModel is a model of vectors behind a server, whose length may still have to be measured.
type vectorModel struct {
	*operators.Remote
	embedder *measured
}

func newVectors(name string, e accel.Embedder, m flowfile.ModelConfig, o operators.ModelOptions) vectorModel {
	embedder := &measured{Embedder: e, dims: m.Dims}
	return vectorModel{Remote: operators.NewRemote(name, embedder, o), embedder: embedder}
}

// measure asks the server for the length of the model's vectors, where the flow does not say it.
func (m vectorModel) measure(ctx context.Context) error {
	if m.embedder.dims > 0 {
		return nil
	}
	vector, err := m.Ask(ctx, []byte(probeText))
	if err != nil {
		return err
	}
	m.embedder.dims = len(vector) / 4
	return nil
}

// measured is an embedder whose vectors' length is learnt after it was made, before anything is planned.
type measured struct {
	accel.Embedder
	dims int
}

// Identity is that of the embedder, with the length of its vectors.
func (m *measured) Identity() accel.Identity {
	i := m.Embedder.Identity()
	i.Dims = m.dims
	return i
}

// dualModel is a model behind a server that may be one of vectors or of texts: as the first step that names
// it takes it.
type dualModel struct {
	vectorModel
	texts *operators.Generative
	role  string // the operator of the first step that has named it
}

var (
	_ operators.Texts   = (*dualModel)(nil)
	_ operators.Vectors = (*dualModel)(nil)
)

// dualClient speaks to a server that serves both.
type dualClient interface {
	accel.Embedder
	accel.Generator
}

func newDual(name string, c dualClient, m flowfile.ModelConfig, env *flowfile.Env) *dualModel {
	o := asking(m, env.Logger.With("model", name))
	return &dualModel{vectorModel: newVectors(name, c, m, o), texts: operators.NewGenerative(name, c, o)}
}

// Texts implements operators.Texts.
func (m *dualModel) Texts() (*operators.Generative, error) { return m.texts, m.take("extract") }

// Vectors implements operators.Vectors.
func (m *dualModel) Vectors() error { return m.take("embed") }

// take gives the model a role for good: its queue, its limits and its account are those of one.
func (m *dualModel) take(role string) error {
	if m.role != "" && m.role != role {
		return &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q is used by a step with %s as well", m.Name(), m.role),
			Hint: "declare it under two names: one for vectors, one for texts"}
	}
	m.role = role
	return nil
}

func (m *dualModel) measure(ctx context.Context) error {
	if m.role == "extract" {
		return nil
	}
	return m.vectorModel.measure(ctx)
}

type builtinConfig struct{}

func newBuiltin(name string, _ any, m flowfile.ModelConfig, _ *flowfile.Env) (stream.Model, error) {
	if err := inProcess(m); err != nil {
		return nil, err
	}
	e, err := builtin.New(m.Dims)
	if err != nil {
		return nil, &stream.Problem{Code: "bad_value", Field: "dims", Message: err.Error(), Hint: "leave dims out, or name 16 to 256"}
	}
	return operators.NewInline(name, e), nil
}
