package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

// atRisk is the log, in bytes, that has to be left before the server gives a slot up; below it people are told.
const atRisk = 64 << 20

// watchSlot looks at the slot from time to time, on a connection of its own: a flow that waits for credit is
// just the one whose slot keeps too much log. It tells what is at risk, and takes that back.
func (r *run) watchSlot(ctx context.Context) {
	told := false
	for pause := time.Duration(0); idle.For(ctx, pause) == nil; pause = r.source.options.GuardEvery {
		risk, err := r.slotRisk(ctx)
		switch {
		case err != nil: // the stream says what is wrong with the server
		case risk != nil:
			r.source.options.Logger.Warn("slot at risk", "cause", risk)
			r.out.Problem(risk)
			told = true
		case told:
			r.out.Problem(nil)
			told = false
		}
	}
}

// slotRisk says how soon the server may remove log that the slot needs; nil: not soon.
func (r *run) slotRisk(ctx context.Context) (risk, err error) {
	looking, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	o := &r.source.options
	c, err := o.connect(looking)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	x, err := readSlot(looking, c, o.Slot)
	if err != nil || x == nil {
		return nil, err
	}
	r.source.sawSlot(x)
	o.Logger.Debug("slot", "slot", o.Slot, "kept_bytes", x.kept, "wal_status", x.walStatus)
	switch {
	case x.walStatus == "unreserved":
		return fmt.Errorf("slot %s keeps %d bytes of log, more than max_slot_wal_keep_size: the server may give it up at its next checkpoint", o.Slot, x.kept), nil
	case x.safeBytes != nil && *x.safeBytes < atRisk && *x.safeBytes < x.kept:
		return fmt.Errorf("slot %s keeps %d bytes of log, and the server may give it up after %d more (max_slot_wal_keep_size)", o.Slot, x.kept, *x.safeBytes), nil
	}
	return nil, nil
}
