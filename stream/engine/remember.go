package engine

import (
	"encoding/hex"
	"fmt"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// What a model has to remember lies in the state under its name in the flow: what it has spent of a budget,
// until when it wants to be left alone, what its answers looked like.

func memoryKey(model string) []byte { return metaKey("model/" + model) }

// remind hands every model what it has kept, before its logic is compared with that of the last run. It may
// keep more where it is going to be asked.
func remind(db *statestore.DB, plan *stream.Plan, asked bool) error {
	for _, model := range plan.Models() {
		m, ok := model.(stream.Remembering)
		if !ok {
			continue
		}
		last, _, err := db.State.Get(memoryKey(model.Name()))
		if err != nil {
			return err
		}
		var keep func([]byte) error
		if asked {
			keep = func(next []byte) error { return keepMemory(db, model.Name(), next) }
		}
		if err := m.Remember(last, keep); err != nil {
			return fmt.Errorf("restore model %s: %w", model.Name(), err)
		}
	}
	return nil
}

func keepMemory(db *statestore.DB, model string, next []byte) error {
	b := db.State.NewBatch()
	b.Put(memoryKey(model), next)
	if err := db.State.Commit(b, true); err != nil {
		return fmt.Errorf("keep what model %s remembers: %w", model, err)
	}
	return nil
}

// revision is what people have accepted of a model beyond its identity; nil: nothing.
func revision(model stream.Model) []byte {
	if m, ok := model.(stream.Remembering); ok {
		return m.Revision()
	}
	return nil
}

// logicOf is the logic of a collection with the revisions of the models before it.
func logicOf(plan *stream.Plan, collection int) string {
	c := plan.Collections[collection]
	return c.Logic.String() + revisionsOf(plan, collection)
}

func revisionsOf(plan *stream.Plan, collection int) string {
	revisions := ""
	for c := plan.Collections[collection]; c.Source < 0; c = plan.Collections[plan.Steps[c.Step].From] {
		if caller := plan.Steps[c.Step].Caller; caller != nil {
			if r := revision(caller.Calls().Model); len(r) > 0 {
				revisions += "@" + hex.EncodeToString(r)
			}
		}
	}
	return revisions
}

// sinkLogicOf is the logic of a sink with the revisions of the models before it.
func sinkLogicOf(plan *stream.Plan, s *stream.SinkNode) string {
	logic := s.Logic.String()
	for _, from := range s.From {
		logic += revisionsOf(plan, from)
	}
	return logic
}

// acceptModel writes that a person takes a model as it is now. Everything behind it is computed anew.
func acceptModel(db *statestore.DB, plan *stream.Plan, name string, b *statestore.Batch) (found bool, err error) {
	for _, model := range plan.Models() {
		if model.Name() != name {
			continue
		}
		m, ok := model.(stream.Remembering)
		if !ok {
			return true, nil
		}
		last, _, err := db.State.Get(memoryKey(name))
		if err != nil {
			return true, err
		}
		if next, changed := m.Accept(last); changed {
			b.Put(memoryKey(name), next)
		}
		return true, nil
	}
	return false, nil
}

// Resume tells the models that a person has dealt with what they wait for: rights, quota, a budget.
func (e *Engine) Resume() {
	for _, m := range e.models {
		if r, ok := m.remote.(stream.Resuming); ok {
			r.Resume()
		}
	}
	e.wake()
}
