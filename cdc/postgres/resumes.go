package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
)

// Resumes implements stream.Resumable: it holds the slot, and the server, against a position as the start of a run does (I10),
// and makes nothing. A position that is an LSN alone, as ParsePosition gives it, does not say of which server it is.
func (s *Source) Resumes(ctx context.Context, from cdc.Position) (found string, err error) {
	held, err := heldAt(from)
	if err != nil {
		return "", err
	}
	o := &s.options
	c, err := o.connect(ctx)
	if err != nil {
		return "", reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	f, err := readServer(ctx, c)
	if err != nil {
		return "", reachable(err)
	}
	x, err := readSlot(ctx, c, o.Slot)
	if err != nil {
		return "", reachable(err)
	}
	switch {
	case from == "" && x == nil:
		return fmt.Sprintf("the first run makes slot %s", o.Slot), nil
	case from == "":
		if err := o.taken(x, f); err != nil {
			return "", err
		}
		return fmt.Sprintf("the first run takes slot %s, which is there", o.Slot), o.inUse(x)
	}
	system, err := o.system(ctx)
	if err != nil {
		return "", reachable(err)
	}
	if held.system == 0 {
		held.system, held.timeline = systemSum(system.identifier), system.timeline
	}
	if err := o.guard(&held, x, system, f); err != nil {
		return "", err
	}
	found = fmt.Sprintf("slot %s goes on behind %s; %.0f KiB of log are kept for it", o.Slot, held.lsn, float64(x.kept)/(1<<10))
	if x.kept >= 1<<20 {
		found = fmt.Sprintf("slot %s goes on behind %s; %.1f MiB of log are kept for it", o.Slot, held.lsn, float64(x.kept)/(1<<20))
	}
	if x.activePID != 0 {
		found += fmt.Sprintf("; process %d of the server reads it now, and a run waits until it is free", x.activePID)
	}
	return found, nil
}

// Unfinished implements stream.Unfinished: a first read that was broken off goes on with the next run.
func (s *Source) Unfinished(from cdc.Position) (bool, error) {
	held, err := heldAt(from)
	begun := len(held.tables) >= len(s.options.Tables) || s.options.Snapshot == SnapshotNever
	return !begun || slices.ContainsFunc(held.tables, func(t heldTable) bool { return t.part }), err
}

// inUse is the fault of a slot that another process reads, for a state that holds nothing of it yet: both would write the
// same sinks, and this one could not go on. A state that has read the slot waits for it instead, as its own process of a
// moment ago may still have it.
func (o *Options) inUse(x *slot) error {
	if x.activePID == 0 {
		return nil
	}
	return wrong("source_in_use", "stop the flow that reads it, or run this one with that flow's state; a flow of its own wants a name, or a `slot:`, of its own",
		"slot %s is read by another process (pid %d of the server), and this state has never read it", o.Slot, x.activePID)
}

// heldAt is the place of a position, or of an LSN alone.
func heldAt(from cdc.Position) (place, error) {
	if len(from) == bareSize {
		return place{lsn: LSN(binary.BigEndian.Uint64([]byte(from)))}, nil
	}
	return readPlace(from)
}

// system asks which server it is.
func (o *Options) system(ctx context.Context) (systemFacts, error) {
	conn, _, err := o.connectReplication(ctx)
	if err != nil {
		return systemFacts{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return identify(ctx, conn)
}
