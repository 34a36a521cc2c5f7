package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// removeDropped removes what instances have left that nothing refers to any more: outboxes,
// contributors, marks of progress, the files of embedded indexes. Sections in records go when their
// owners are next evaluated. It is repeated until it has been done, whatever happens in between.
func (e *Engine) removeDropped(ctx context.Context) error {
	st := e.graph.stored
	if len(st.Dropped) == e.undropped {
		return nil
	}
	var left []storedDrop // to be tried again at the next start
	b := e.db.State.NewBatch()
	for _, d := range st.Dropped {
		for _, space := range []statestore.Space{statestore.SpaceOutbox, statestore.SpaceContributors} {
			from, to := statestore.SpanOfInstance(vnode, space, d.Instance)
			b.DeleteRange(from, to)
		}
		b.Delete(appliedKey(d.Instance))
		if d.Sink == "" {
			continue
		}
		if err := e.dropInstance(ctx, d); err != nil {
			e.log.Warn("a replaced target is not removed; the next start tries again", "sink", d.Sink, "err", err)
			left = append(left, d)
		}
		dir := filepath.Join(e.db.IndexDir(d.Sink), strconv.FormatUint(uint64(d.Instance), 10))
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove a replaced index: %w", err)
		}
	}
	st.Dropped, e.undropped = left, len(left)
	if err := st.put(b); err != nil {
		return err
	}
	if err := e.db.State.Commit(b, true); err != nil {
		return fmt.Errorf("remove what instances left: %w", err)
	}
	return nil
}

// dropInstance has the sink of a replaced instance remove what it made for it, also where the instance was
// never opened again because the flow that described it cannot be read any more. A sink that has left the flow
// leaves its target as it is.
func (e *Engine) dropInstance(ctx context.Context, d storedDrop) error {
	for _, n := range e.plan.Sinks {
		dropper, ok := n.Sink.(stream.Dropper)
		if !ok || n.Name != d.Sink {
			continue
		}
		target := stream.Target{Flow: e.plan.Flow, Sink: n.Name, Instance: d.Instance, State: e.state, Dir: e.db.Dir(), Collections: n.Inputs}
		if err := dropper.Drop(ctx, target); err != nil {
			return fmt.Errorf("remove a replaced target of sink %s: %w", n.Name, err)
		}
	}
	return nil
}
