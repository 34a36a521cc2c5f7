package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/flowfile"
)

// locally is the cli of a verb that reads the state and nothing else.
func (c *cli) locally() *cli {
	own := *c
	own.local = true
	return &own
}

// recall plans a stopped flow with what its servers have told its last run, where one of them is away now: away is its fault, and
// is given back where that does not suffice.
func (c *cli) recall(path string, away error) (*flow, error) {
	if !elsewhere(away) {
		return nil, away
	}
	code, ok := absent(away)
	if !ok && errors.As(away, new(*fault)) {
		code = "model_unavailable"
	}
	f, err := c.remember(path)
	if err != nil {
		return nil, away
	}
	f.unasked = f.safe(away)
	f.reasons = []engine.Reason{{Code: cmp.Or(code, "source_unavailable"), Message: "not asked: " + f.unasked.Error()}}
	f.log.Warn("the flow is stopped, and the state alone answers", "not asked", f.unasked)
	return f, nil
}

// recallWaiting is recall for a flow that p runs and that waits to begin.
func (c *cli) recallWaiting(ctx context.Context, path string, p *peer, away error) (*flow, error) {
	f, err := c.remember(path)
	if err != nil {
		return nil, away
	}
	if f.reasons, err = p.reasons(ctx); err != nil {
		return nil, away
	}
	f.unasked, f.waits = f.safe(away), true
	return f, nil
}

// remember plans a flow with what its servers have told its last run.
func (c *cli) remember(path string) (*flow, error) {
	f, err := c.outline(path)
	if err != nil {
		return nil, err
	}
	if !f.exists() {
		return nil, errNotTold
	}
	f.plan = &stream.Plan{Flow: f.file.Name, Limits: f.file.Flow.Limits}
	known, err := reading(f, engine.StoppedKnown)
	if err != nil {
		return nil, err
	}
	if len(known.Offers) == 0 {
		return nil, errNotTold
	}
	for source, collections := range known.Offers {
		f.file.Flow.Assume(source, collections)
	}
	for name, m := range f.file.Models {
		if remote, ok := m.(interface{ assume(dims int) }); ok {
			remote.assume(known.Dims[name])
		}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel() // to a source that the last run did not have
	f.plan, err = f.file.Plan(over)
	return f, err
}

// errNotTold says that no run has been told anything.
var errNotTold = errors.New("remember the sources: no run has reached them")

// elsewhere reports whether an error is about a server or a folder, and not about the flow file.
func elsewhere(err error) bool {
	var model *fault
	var diagnostics flowfile.Diagnostics
	switch {
	case errors.As(err, &model):
		return model.Exit == exitEnvironment
	case errors.As(err, &diagnostics):
		for _, d := range diagnostics {
			if d.Exit != exitEnvironment {
				return false
			}
		}
		return true
	}
	return false
}
