package main

import (
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
	f, err := c.outline(path)
	if err != nil || !elsewhere(away) || !f.exists() {
		return nil, away
	}
	f.plan = &stream.Plan{Flow: f.file.Name, Limits: f.file.Flow.Limits}
	known, err := reading(f, engine.StoppedKnown)
	if err != nil || len(known.Offers) == 0 {
		return nil, away
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
	if f.plan, err = f.file.Plan(over); err != nil {
		return nil, away
	}
	f.unasked = f.safe(away)
	f.log.Warn("the flow is stopped, and the state alone answers", "not asked", f.unasked)
	return f, nil
}

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

// unaskedReasons is what could not be asked, as status tells it.
func (f *flow) unaskedReasons() []engine.Reason {
	if f.unasked == nil {
		return []engine.Reason{}
	}
	code, ok := absent(f.unasked)
	if !ok {
		code = "source_unavailable"
	}
	return []engine.Reason{{Code: code, Message: "not asked: " + f.unasked.Error()}}
}
