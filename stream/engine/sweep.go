package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Results that no record refers to stay in the memo for a grace time, so that reverts and renames cost
// nothing, and are then swept. The loop does it while it has nothing else to do: no epoch can commit a
// hit on what is being condemned (scenario 14).
const (
	sweepEvery = time.Hour
	sweepGrace = 7 * 24 * time.Hour
)

// sweep runs a mark and sweep when one is due and everything is quiet, outboxes included: they refer to
// results as well.
func (e *Engine) sweep(ctx context.Context, quiet bool) error {
	now := time.Now()
	if !quiet || e.sweepFrom.IsZero() && now.Sub(e.sweptAt) < e.o.SweepEvery {
		return nil
	}
	e.sweptAt = now
	b := e.db.State.NewBatch()
	epoch := e.epoch + 1
	plan, err := e.db.PlanSweep(ctx, b, epoch, statestore.SweepOptions{Now: now, Grace: e.o.SweepGrace, Live: e.live, From: statestore.Fingerprint(e.sweepFrom)})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("mark results in use: %w", err)
	}
	e.memo.forget()
	if err := e.db.CommitEpoch(b, epoch); err != nil {
		e.db.AbandonSweep(plan)
		return fmt.Errorf("commit epoch %d: %w", epoch, err)
	}
	e.epoch, e.sweepFrom = epoch, stream.Fingerprint{}
	if !plan.Done {
		e.sweepFrom = stream.Fingerprint(plan.Next) // the next part, when the loop is idle again
	}
	e.o.Crash("sweep.planned")
	stats, err := e.db.FinishSweep(ctx, plan)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("sweep results: %w", err)
	}
	e.log.Debug("memo swept", "stats", fmt.Sprintf("%+v", stats))
	return nil
}

// live marks every result in a range that a record refers to.
func (e *Engine) live(ctx context.Context, from, to statestore.Fingerprint, mark func(statestore.Fingerprint)) error {
	in := func(f stream.Fingerprint) bool {
		return bytes.Compare(f[:], from[:]) >= 0 && bytes.Compare(f[:], to[:]) <= 0
	}
	var rec record
	start, end := statestore.SpanOfSpace(vnode, statestore.SpaceOwners)
	return e.db.State.Scan(start, end, func(_, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := rec.decode(value); err != nil {
			return err
		}
		for i := range rec.calls {
			c := &rec.calls[i]
			for _, entries := range [][]callEntry{c.emitted, c.wanted} {
				for k := range entries {
					if f := entries[k].call; in(f) {
						mark(statestore.Fingerprint(f))
					}
				}
			}
		}
		return nil
	})
}
