package engine

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// StoppedStatus tells how a stopped flow stands, from its state.
func StoppedStatus(db *statestore.DB, plan *stream.Plan) (Status, error) {
	s := newStatus(plan, "stopped", db.DurableEpoch())
	var t totals
	if err := t.load(db); err != nil {
		return s, err
	}
	stored, err := loadPlan(db)
	if err != nil {
		return s, err
	}
	if stored == nil {
		stored = &storedPlan{}
	}
	for _, n := range plan.Sources {
		cursor, _, err := db.State.Get(metaKey("cursor/" + n.Name))
		if err != nil {
			return s, err
		}
		src := SourceStatus{Position: describe(n.Source, cdc.Position(cursor)), State: "stopped"}
		if f := t.Sources[n.Name]; f != nil {
			src.ChangesTotal = f.Changes
		}
		src.held(&t, stored, n, plan)
		s.Sources[n.Name] = src
	}
	if err := t.recount(db); err != nil {
		return s, err
	}
	fillSteps(&s, plan, &t, func(step int) uint32 { return stored.Steps[plan.Steps[step].Name].Instance })
	if err := s.waiting(db, stored); err != nil {
		return s, err
	}
	for _, n := range plan.Sinks {
		st := SinkStatus{DLQ: t.Letters[stored.Sinks[n.Name].Instance] + t.Letters[stored.Retiring[n.Name].Instance]}
		instance := stored.Sinks[n.Name].Instance
		if r, ok := stored.Retiring[n.Name]; ok {
			instance, st.Building = r.Instance, true
		}
		if f := t.Sinks[fmt.Sprint(instance)]; f != nil {
			st.Rows, st.UpsertsTotal, st.DeletesTotal = f.Rows, f.Upserts, f.Deletes
			var parts []string
			for i, source := range plan.Sources {
				if !st.Building && feeds(plan, i, n) {
					parts = append(parts, describe(source.Source, cdc.Position(f.Held[source.Name])))
				}
			}
			st.Position = strings.Join(parts, ",")
		}
		s.Sinks[n.Name] = st
	}
	if s.Paused, err = Paused(db); err != nil {
		return s, err
	}
	if err := stoppedModels(&s, db, plan); err != nil {
		return s, err
	}
	for _, st := range []statestore.Stats{db.State.Stats(), db.Memo.Stats()} {
		s.Store.Bytes += st.DiskBytes
		s.Store.Stalls += st.Stalls
	}
	return s, nil
}

// waiting counts the owners that a stopped flow has left waiting at its steps.
func (s *Status) waiting(db *statestore.DB, stored *storedPlan) error {
	left := map[uint32]int{}
	from, to := statestore.SpanOfSpace(vnode, statestore.SpacePending)
	if err := db.State.Scan(from, to, func(key, _ []byte) error {
		k, err := statestore.ParseKey(key)
		if err == nil && len(k.Child) == 4 {
			left[binary.BigEndian.Uint32(k.Child)]++
		}
		return err
	}); err != nil {
		return fmt.Errorf("count what waits: %w", err)
	}
	for name, st := range s.Steps {
		st.Pending = left[stored.Steps[name].Instance]
		s.Steps[name] = st
	}
	return nil
}
