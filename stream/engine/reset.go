package engine

import (
	"fmt"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Reset is what a person asks of a stopped flow after a guard has stopped it, or out of doubt: that
// something is derived anew and diffed against what is held. Nothing is wiped.
type Reset struct {
	Source        string // every row of it is read again
	Step          string // everything behind it is evaluated again; known results cost no call
	AcceptDeletes bool   // what the source's guard holds back is deleted
}

func acceptKey(source string) []byte { return metaKey("accept_deletes/" + source) }

// ResetStopped writes the request into the state of a stopped flow; its next run carries it out. Whoever opens a state to
// write into it asks [BelongsTo] first, as this function does not: in the state of another flow the request would be
// that flow's.
func ResetStopped(db *statestore.DB, plan *stream.Plan, r Reset) error {
	stored, err := loadPlan(db)
	if err != nil {
		return err
	}
	if stored == nil {
		return &NotFoundError{What: "a state of the flow " + plan.Flow}
	}
	b := db.State.NewBatch()
	found := r.Source != "" && stored.reread(plan, r.Source)
	for i, c := range plan.Collections {
		if c.Step >= 0 && plan.Steps[c.Step].Name == r.Step {
			found = true
			if err := acceptModels(db, b, plan.Steps[c.Step]); err != nil {
				return err
			}
			stored.forget(plan, i)
		}
	}
	if !found {
		return &NotFoundError{What: fmt.Sprintf("a source or step named %q", r.Source+r.Step)}
	}
	if r.Source != "" && r.AcceptDeletes {
		b.Put(acceptKey(r.Source), []byte{1})
	}
	if err := stored.put(b); err != nil {
		return err
	}
	if err := db.State.Commit(b, true); err != nil {
		return fmt.Errorf("write the reset: %w", err)
	}
	return nil
}

// reread has the next start read a source again and evaluate everything behind it. It reports whether the plan has
// such a source.
func (p *storedPlan) reread(plan *stream.Plan, source string) (found bool) {
	for i, c := range plan.Collections {
		if c.Source < 0 || plan.Sources[c.Source].Name != source {
			continue
		}
		found = true
		if root, ran := p.Roots[c.Name]; ran {
			root.Rescan = rereads(plan.Sources[c.Source])
			p.Roots[c.Name] = root
		}
		p.forget(plan, i)
	}
	return found
}

// rereads reports whether a source can be read again when a person asks for it.
func rereads(n *stream.SourceNode) bool {
	r, ok := n.Source.(stream.Rereader)
	return n.Rescans || ok && r.Rereads()
}

// forget makes the next start find other logic behind a collection than it has stored.
func (p *storedPlan) forget(plan *stream.Plan, collection int) {
	c := plan.Collections[collection]
	for _, in := range c.Sinks {
		name := plan.Sinks[in.Sink].Name
		if s, ran := p.Sinks[name]; ran { // one that never ran has everything before it
			s.Reset = true
			p.Sinks[name] = s
		}
	}
	for _, s := range c.Steps {
		p.forget(plan, plan.Steps[s].Out)
	}
}
