package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// totals are the figures since the creation of the state. They are written with every epoch.
type totals struct {
	Sources map[string]*sourceTotals `json:"sources"`
	Steps   map[string]*stepTotals   `json:"steps"`
	Sinks   map[string]*sinkTotals   `json:"sinks"` // by instance
	Rows    map[uint32]int64         `json:"rows"`  // that sources hold, by instance of the collection
	Letters map[uint32]int64         `json:"-"`     // by instance of the collection, step or sink; counted at the start
}

type sourceTotals struct {
	Changes int64            `json:"changes"`
	ByOp    map[string]int64 `json:"by_op"`
	Last    int64            `json:"last"` // commit time of the newest change, microseconds
}

type stepTotals struct {
	Rows     int64 `json:"rows"`
	Calls    int64 `json:"calls"`
	Hits     int64 `json:"hits"`
	Rejected int64 `json:"rejected"`
}

type sinkTotals struct {
	Rows    int64 `json:"rows"`
	Upserts int64 `json:"upserts"`
	Deletes int64 `json:"deletes"`
	// Held is the position of each source, by its name, up to which everything is applied.
	Held map[string][]byte `json:"held,omitempty"`
}

func (t *totals) load(db *statestore.DB) error {
	value, ok, err := db.State.Get(metaKey("totals"))
	if err != nil {
		return err
	}
	if ok {
		if err := json.Unmarshal(value, t); err != nil {
			return fmt.Errorf("read totals: %w", err)
		}
	}
	if t.Sources == nil {
		t.Sources = map[string]*sourceTotals{}
	}
	if t.Steps == nil {
		t.Steps = map[string]*stepTotals{}
	}
	if t.Sinks == nil {
		t.Sinks = map[string]*sinkTotals{}
	}
	if t.Rows == nil {
		t.Rows = map[uint32]int64{}
	}
	return nil
}

// recount counts the dead letters of the state.
func (t *totals) recount(db *statestore.DB) error {
	t.Letters = map[uint32]int64{}
	from, to := statestore.SpanOfSpace(vnode, statestore.SpaceDeadLetters)
	return db.State.Scan(from, to, func(key, _ []byte) error {
		k, err := decodeLetterKey(key)
		t.Letters[k.instance]++
		return err
	})
}

// letters is the number of dead letters.
func (t *totals) letters() (n int64) {
	for _, of := range t.Letters {
		n += of
	}
	return n
}

func (t *totals) source(name string) *sourceTotals {
	if t.Sources[name] == nil {
		t.Sources[name] = &sourceTotals{ByOp: map[string]int64{}}
	}
	return t.Sources[name]
}

func (t *totals) step(name string) *stepTotals {
	if t.Steps[name] == nil {
		t.Steps[name] = &stepTotals{}
	}
	return t.Steps[name]
}

func (t *totals) sink(instance uint32) *sinkTotals {
	name := fmt.Sprint(instance)
	if t.Sinks[name] == nil {
		t.Sinks[name] = &sinkTotals{}
	}
	return t.Sinks[name]
}

// add books an epoch that is about to be committed.
func (t *totals) add(e *Engine, g *gathered) {
	for i, c := range g.changes {
		s := t.source(e.plan.Sources[i].Name)
		for op, n := range c.byOp {
			if n > 0 {
				s.ByOp[cdc.Op(op).String()] += n
				s.Changes += n
			}
		}
		s.Last = max(s.Last, c.last)
	}
	for _, v := range e.evaluators {
		for i, n := range v.out.rows {
			t.step(e.plan.Steps[i].Name).Rows += n
		}
		for i, st := range v.out.stats {
			s := t.step(e.graph.calls[i].step.Name)
			s.Calls += st.calls
			s.Hits += st.hits
		}
		for _, target := range e.graph.targets {
			s := t.sink(target.instance)
			s.Rows += v.out.added[target.index]
			s.Upserts += v.out.upserts[target.index]
			s.Deletes += v.out.deletes[target.index]
		}
		for instance, n := range v.out.lettersBy {
			t.Letters[instance] += n
		}
		for i, n := range v.out.owners {
			if at := e.graph.roots[i].instance; t.Rows[at]+n == 0 { // also of a source that has left the flow
				delete(t.Rows, at)
			} else {
				t.Rows[at] += n
			}
		}
	}
}

func putUint(b *statestore.Batch, key []byte, v uint64) {
	b.Put(key, binary.BigEndian.AppendUint64(nil, v))
}

func (e *Engine) metaUint(key []byte) (uint64, bool, error) {
	value, ok, err := e.db.State.Get(key)
	if err != nil || !ok || len(value) != 8 {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(value), true, nil
}
