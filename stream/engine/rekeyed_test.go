package engine

import (
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// keyedBy is a plan of one source collection with these columns as its key.
func keyedBy(rescans bool, key ...int) *stream.Plan {
	number := cdc.Type{Kind: cdc.Int64}
	c := &stream.CollectionNode{Collection: stream.Collection{Name: "docs", Schema: &cdc.Schema{Key: key,
		Columns: []cdc.Column{{Name: "id", Type: number}, {Name: "tenant", Type: number}}}}, Step: -1}
	return &stream.Plan{Flow: "keys", Sources: []*stream.SourceNode{{Name: "docs", Rescans: rescans, Sparse: true}}, Collections: []*stream.CollectionNode{c}}
}

// Rows under another key are other owners: those that are held leave, and the collection is read anew (I6).
func TestACollectionOfAnotherKeyIsReadAnew(t *testing.T) {
	first, _ := migrate(&storedPlan{}, keyedBy(true, 0), "")
	was := first.Roots["docs"]
	for name, x := range map[string]struct {
		plan *stream.Plan
		held string // the key that the state tells
		anew bool
	}{
		"the same key":                       {keyedBy(true, 0), was.Key, false},
		"a wider key":                        {keyedBy(true, 0, 1), was.Key, true},
		"another column":                     {keyedBy(true, 1), was.Key, true},
		"a source that gives each row once":  {keyedBy(false, 0, 1), was.Key, false},
		"a state of an older version":        {keyedBy(true, 0, 1), "", false},
		"a state of an older version, as is": {keyedBy(true, 0), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			held := was
			held.Key = x.held
			old := *first
			old.Roots = map[string]storedRoot{"docs": held}
			next, changed := migrate(&old, x.plan, "")
			now := next.Roots["docs"]
			if anew := now.Instance != was.Instance; anew != x.anew || changed != x.anew || (len(next.Vanished) == 1) != x.anew || (now.Backfill == backfillRescan) != x.anew {
				t.Errorf("it is read anew: %v, want %v; changed %v, vanished %v, backfill %q", anew, x.anew, changed, next.Vanished, now.Backfill)
			}
			if now.Key != keyOf(x.plan.Collections[0]) || next.learned(&old) != (x.held == "") {
				t.Errorf("the plan says key %q, and that it has learned it: %v", now.Key, next.learned(&old))
			}
		})
	}
}
