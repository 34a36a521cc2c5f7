package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// ErrPaused ends a run with Once that begins paused: it would wait for a person.
var ErrPaused = errors.New("the flow is paused")

// A paused flow takes nothing in from its sources: what they put stays in their inlets, and they wait once
// these are full (I9). What was taken in before goes on to its end. The pause is part of the state, so that a restart
// does not end it.
func pausedKey() []byte { return metaKey("paused") }

// Pause stops the intake from all sources until Unpause. It is durable when it returns; Run has to be under way.
func (e *Engine) Pause(ctx context.Context) error { return e.setPaused(ctx, true) }

// Unpause lets the intake go on. It is durable when it returns; Run has to be under way.
func (e *Engine) Unpause(ctx context.Context) error { return e.setPaused(ctx, false) }

func (e *Engine) setPaused(ctx context.Context, paused bool) error {
	return e.ask(ctx, func(e *Engine, g *gathered) {
		e.paused.Store(paused)
		g.paused = true
	})
}

// putPaused makes a pause, or the end of one, durable with the batch that carries it.
func putPaused(b *statestore.Batch, paused bool) {
	if paused {
		b.Put(pausedKey(), []byte{1})
	} else {
		b.Delete(pausedKey())
	}
}

func (e *Engine) restorePaused() error {
	paused, err := Paused(e.db)
	e.paused.Store(paused)
	return err
}

// Paused reports whether the flow of a state is paused.
func Paused(db *statestore.DB) (bool, error) { return db.State.Has(pausedKey()) }

// PauseStopped pauses a stopped flow, or ends its pause, from its next run on.
func PauseStopped(db *statestore.DB, paused bool) error {
	b := db.State.NewBatch()
	putPaused(b, paused)
	if err := db.State.Commit(b, true); err != nil {
		return fmt.Errorf("write the pause: %w", err)
	}
	return nil
}

// CheckBackfill makes sure that a source of a plan can be read again without losing anything. What is in the way is a
// *stream.Problem.
func CheckBackfill(plan *stream.Plan, source string) error {
	var names []string
	for _, n := range plan.Sources {
		names = append(names, n.Name)
		switch {
		case n.Name != source:
		case n.Rescans:
			return nil
		case rereads(n): // I10: a person has to say that rows may go
			return &stream.Problem{Code: "data_guard", Message: "the log of source " + source + " may have forgotten rows that the sinks hold; a backfill would delete them",
				Hint: "if that is meant, stop the flow; then `freshet reset <flow> --source " + source + " --yes`"}
		default:
			return &stream.Problem{Code: "usage", Message: "source " + source + " cannot be read again: it gives each change once",
				Hint: "have its producer send the rows again; those that did not change cost nothing"}
		}
	}
	return &stream.Problem{Code: "not_found", Message: fmt.Sprintf("no source is named %q", source), Hint: stream.DidYouMean("sources", source, names)}
}

// Backfill has a source read again from its start: what differs from what the sinks hold is written, results that are
// known cost no call, and the source's guard against mass deletes stays as it is. When it returns, that is durable
// and the run is about to end with an error that wraps [cdc.ErrReread]; the next one carries it out, as after [ResetStopped].
func (e *Engine) Backfill(ctx context.Context, source string) error {
	if err := CheckBackfill(e.plan, source); err != nil {
		return err
	}
	return e.ask(ctx, func(e *Engine, _ *gathered) {
		e.graph.stored.reread(e.plan, source)
		e.planDirty, e.anew = true, source
	})
}

// asked is what ends a run because a person wants a source read again; nil: nobody does.
func (e *Engine) asked() error {
	if e.anew == "" {
		return nil
	}
	return &ReadError{Source: e.anew, Err: fmt.Errorf("a person has asked for a backfill: %w", cdc.ErrReread)}
}
