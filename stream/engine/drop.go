package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/freshet/freshet/statestore"
)

// removeDropped removes what instances have left that nothing refers to any more: outboxes,
// contributors, marks of progress, the files of embedded indexes. Sections in records go when their
// owners are next evaluated. It is repeated until it has been done, whatever happens in between.
func (e *Engine) removeDropped() error {
	st := e.graph.stored
	if len(st.Dropped) == 0 {
		return nil
	}
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
		dir := filepath.Join(e.db.IndexDir(d.Sink), strconv.FormatUint(uint64(d.Instance), 10))
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove a replaced index: %w", err)
		}
	}
	st.Dropped = nil
	if err := st.put(b); err != nil {
		return err
	}
	if err := e.db.State.Commit(b, true); err != nil {
		return fmt.Errorf("remove what instances left: %w", err)
	}
	return nil
}
