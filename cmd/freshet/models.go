package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

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

// assume takes the length of the vectors for known, where the flow does not say it.
func (m vectorModel) assume(dims int) {
	if m.embedder.dims == 0 {
		m.embedder.dims = dims
	}
}

// answers asks the server for one vector.
func (m vectorModel) answers(ctx context.Context) (said string, err error) {
	vector, err := m.Ask(ctx, []byte(probeText))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("answers with vectors of %d numbers", len(vector)/4), nil
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
