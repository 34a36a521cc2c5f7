package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

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
		return fmt.Sprintf("the first run takes slot %s, which is there", o.Slot), o.taken(x, f)
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
	found = fmt.Sprintf("slot %s goes on behind %s; %.1f MiB of log are kept for it", o.Slot, held.lsn, float64(x.kept)/(1<<20))
	if x.activePID != 0 {
		found += fmt.Sprintf("; process %d of the server reads it now, and a run waits until it is free", x.activePID)
	}
	return found, nil
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
