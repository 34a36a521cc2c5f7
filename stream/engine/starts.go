package engine

import (
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// StoppedStarts says from where the next run of a stopped flow has each source go on, by its name: with Rescan, it reads
// all rows again.
func StoppedStarts(db *statestore.DB, plan *stream.Plan) (map[string]cdc.Start, error) {
	stored, err := loadPlan(db)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		stored = &storedPlan{Flow: plan.Flow}
	}
	next, _ := migrate(stored, plan, "")
	starts := make(map[string]cdc.Start, len(plan.Sources))
	for _, n := range plan.Sources {
		cursor, _, err := db.State.Get(metaKey("cursor/" + n.Name))
		if err != nil {
			return nil, err
		}
		start := cdc.Start{Resume: cdc.Position(cursor)}
		for _, c := range n.Collections {
			start.Rescan = start.Rescan || next.Roots[plan.Collections[c].Name].Backfill == backfillRescan
		}
		starts[n.Name] = start
	}
	return starts, nil
}
