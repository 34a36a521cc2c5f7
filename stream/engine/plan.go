package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// storedPlan is what the state remembers of the plan that it was last run with. Steps and sinks are
// known by name and logic; what they hold lies under a numeric instance, so that a step that is
// removed and added again, or a target that is built anew, never meets what another left.
type storedPlan struct {
	Number   uint64                `json:"number"` // grows with every change of logic
	Flow     string                `json:"flow"`
	Text     string                `json:"text,omitempty"` // the flow file without secrets, to open what still serves after a change
	Next     uint32                `json:"-"`              // instances that were ever given, kept apart: no crash may have one given twice
	Layouts  map[uint64][]string   `json:"layouts"`        // column lists that retained rows may have
	Roots    map[string]storedRoot `json:"roots"`
	Steps    map[string]storedStep `json:"steps"`
	Sinks    map[string]storedSink `json:"sinks"`
	Retiring map[string]storedSink `json:"retiring,omitempty"` // targets that serve until their successor is complete
	Vanished map[string]storedRoot `json:"vanished,omitempty"` // sources that have left the flow and whose rows are still held
	Dropped  []storedDrop          `json:"dropped,omitempty"`  // instances whose leftovers are still to be removed
	Former   map[string]keyShapes  `json:"former,omitempty"`   // of sinks that have left the flow: what their rows' keys look like
}

type storedRoot struct {
	Instance uint32 `json:"instance"`
	Layout   uint64 `json:"layout"`
	Retained bool   `json:"retained"`
	Rescan   bool   `json:"rescan,omitempty"`   // a person wants its rows read again
	Backfill string `json:"backfill,omitempty"` // "scan" or "rescan" while rows wait to be evaluated under this plan
}

// storedDrop is an instance that nothing refers to any more.
type storedDrop struct {
	Instance uint32 `json:"instance"`
	Sink     string `json:"sink,omitempty"` // whose index it was
}

type storedStep struct {
	Instance uint32 `json:"instance"`
	Logic    string `json:"logic"` // of the step and everything before it
}

type storedSink struct {
	Instance uint32 `json:"instance"`
	Logic    string `json:"logic"`
	Storage  string `json:"storage"`
	// Key names the columns that the flow chose as the target's key, and Keys the types of the keys; Inputs
	// and Roots are the collections that it takes and the source collections behind them. With another key,
	// when one of the roots feeds it no more, or when an input has another place, the target is written as if
	// it were another one: a row's old key may be a second row's new one, and what an owner leaves must not
	// remove what another one has put in its place.
	Key        []string  `json:"key,omitempty"`
	Inputs     []string  `json:"inputs"`
	Roots      []string  `json:"roots"`
	Keys       keyShapes `json:"keys"`
	Before     keyShapes `json:"before,omitempty"` // earlier keys, under which rows may still stand
	Generation uint64    `json:"generation"`
	Swap       bool      `json:"swap,omitempty"`      // it is complete only when a swap has made it serve
	Text       string    `json:"text,omitempty"`      // of a retiring target: the flow file that describes it
	Reset      bool      `json:"reset,omitempty"`     // a person wants what lies before it evaluated again
	Reconcile  bool      `json:"reconcile,omitempty"` // it may hold rows that this state does not know
	Building   bool      `json:"building,omitempty"`  // it does not serve yet
}

// keyShapes are the lists of types that the keys of a target's rows may have.
type keyShapes [][]string

// with adds shapes that are not among them.
func (k keyShapes) with(more keyShapes) keyShapes {
	all := slices.Clone(k)
	for _, shape := range more {
		if !slices.ContainsFunc(all, func(x []string) bool { return slices.Equal(x, shape) }) {
			all = append(all, shape)
		}
	}
	return all
}

func (k keyShapes) equal(other keyShapes) bool {
	return slices.EqualFunc(k, other, func(x, y []string) bool { return slices.Equal(x, y) })
}

// Backfill kinds.
const (
	backfillScan   = "scan"   // from the retained rows
	backfillRescan = "rescan" // from the source
)

// metaInstance numbers the engine's keys in the Meta space; 0 belongs to the store.
const metaInstance = 1

func metaKey(name string) []byte {
	return statestore.AppendKey(nil, statestore.Key{Space: statestore.SpaceMeta, Instance: metaInstance, Owner: []byte(name)})
}

func loadPlan(db *statestore.DB) (*storedPlan, error) {
	value, ok, err := db.State.Get(metaKey("plan"))
	if err != nil || !ok {
		return nil, err
	}
	p := &storedPlan{}
	if err := json.Unmarshal(value, p); err != nil {
		return nil, fmt.Errorf("read stored plan: %w", err)
	}
	if p.Next, err = loadInstances(db); err != nil {
		return nil, err
	}
	return p, nil
}

func loadInstances(db *statestore.DB) (uint32, error) {
	value, ok, err := db.State.Get(metaKey("instances"))
	if err != nil || !ok || len(value) != 4 {
		return 0, err
	}
	return binary.BigEndian.Uint32(value), nil
}

// reserve makes durable which instances have been given, before a target hears of one: a second target of the
// same number would take the first one's rows for its own.
func (p *storedPlan) reserve(db *statestore.DB) error {
	if had, err := loadInstances(db); err != nil || had == p.Next {
		return err
	}
	b := db.State.NewBatch()
	b.Put(metaKey("instances"), binary.BigEndian.AppendUint32(nil, p.Next))
	return db.State.Commit(b, true)
}

func (p *storedPlan) put(b *statestore.Batch) error {
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	b.Put(metaKey("plan"), value)
	return nil
}

func (p *storedPlan) instance() uint32 {
	p.Next++
	return p.Next + 15 // the first sixteen are kept for the engine itself
}

// migrate derives the plan to store from the one that is stored and the one to be run. changed
// reports whether logic differs: then every owner behind a changed node is evaluated again, and what
// comes out is diffed against what the records say, whatever way led there.
func migrate(old *storedPlan, plan *stream.Plan, text string) (next *storedPlan, changed bool) {
	n := &storedPlan{Number: old.Number, Flow: plan.Flow, Text: text, Next: old.Next, Layouts: maps.Clone(old.Layouts),
		Roots: map[string]storedRoot{}, Steps: map[string]storedStep{}, Sinks: map[string]storedSink{},
		Retiring: maps.Clone(old.Retiring), Dropped: slices.Clone(old.Dropped), Former: maps.Clone(old.Former)}
	if n.Vanished = maps.Clone(old.Vanished); n.Vanished == nil {
		n.Vanished = map[string]storedRoot{}
	}
	if n.Layouts == nil {
		n.Layouts = map[uint64][]string{}
	}
	if n.Former == nil {
		n.Former = map[string]keyShapes{}
	}
	if n.Retiring == nil {
		n.Retiring = map[string]storedSink{}
	}
	dirty := map[int]bool{} // roots with changed logic behind them
	n.migrateSteps(old, plan, dirty)
	n.migrateSinks(old, plan, dirty)
	n.migrateRoots(old, plan, dirty)
	if changed = len(dirty) > 0 || old.Number == 0; changed {
		n.Number++
	}
	return n, changed
}

func (n *storedPlan) migrateSteps(old *storedPlan, plan *stream.Plan, dirty map[int]bool) {
	kept := map[uint32]bool{}
	for _, s := range plan.Steps {
		was, ok := old.Steps[s.Name]
		if s.Options.Was != "" {
			if renamed, there := old.Steps[s.Options.Was]; there {
				was, ok = renamed, true
			}
		}
		logic := plan.Collections[s.Out].Logic.String()
		if !ok || kept[was.Instance] {
			was = storedStep{Instance: n.instance()}
		}
		if was.Logic != logic && s.Caller != nil {
			dirty[plan.Collections[s.Out].Root] = true
		}
		kept[was.Instance] = true
		n.Steps[s.Name] = storedStep{Instance: was.Instance, Logic: logic}
	}
	for _, s := range old.Steps {
		if !kept[s.Instance] {
			n.Dropped = append(n.Dropped, storedDrop{Instance: s.Instance})
		}
	}
}

func (n *storedPlan) migrateSinks(old *storedPlan, plan *stream.Plan, dirty map[int]bool) {
	for _, s := range plan.Sinks {
		next := storedSink{Logic: s.Logic.String(), Storage: s.Storage.String(), Keys: shapesOf(s), Swap: s.Swap && s.Binding.Beside}
		if s.Key[0] != nil {
			next.Key = keyNames(s)
		}
		for _, from := range s.From {
			next.Inputs = append(next.Inputs, plan.Collections[from].Name)
			next.Roots = append(next.Roots, plan.Collections[plan.Collections[from].Root].Name)
		}
		was, ok := old.Sinks[s.Name]
		next.Before = was.Before.with(was.Keys)
		if !ok {
			next.Before = n.Former[s.Name]
			delete(n.Former, s.Name)
		}
		switch {
		case !ok:
			next.Instance = n.instance()
		case was.Logic != next.Logic && next.Swap, !was.keeps(&next):
			n.replace(s.Name, was, &next, old.Text)
		case was.Logic == next.Logic:
			inputs, roots := next.Inputs, next.Roots
			next = was
			next.Inputs, next.Roots, next.Swap, next.Reset = inputs, roots, s.Swap && s.Binding.Beside, false
		default:
			next.Instance, next.Generation, next.Building, next.Reconcile = was.Instance, was.Generation, was.Building, was.Reconcile
		}
		if !ok || was.Reset || was.Logic != next.Logic || was.Instance != next.Instance {
			for _, from := range s.From {
				dirty[plan.Collections[from].Root] = true
			}
		}
		n.Sinks[s.Name] = next
	}
	for name, was := range old.Sinks {
		if _, ok := n.Sinks[name]; !ok {
			n.drop(name, was.Instance)
			n.Former[name] = was.Before.with(was.Keys)
		}
	}
	for name, was := range old.Retiring {
		if _, ok := n.Sinks[name]; !ok {
			n.drop(name, was.Instance)
			delete(n.Retiring, name)
		}
	}
}

// keeps reports whether a target can become the next one row by row.
func (s *storedSink) keeps(next *storedSink) bool {
	for _, root := range s.Roots {
		if !slices.Contains(next.Roots, root) {
			return false
		}
	}
	if len(s.Inputs) > 1 || len(next.Inputs) > 1 {
		if len(s.Inputs) > len(next.Inputs) || !slices.Equal(s.Inputs, next.Inputs[:len(s.Inputs)]) {
			return false
		}
	}
	return s.Storage == next.Storage && slices.Equal(s.Key, next.Key) && s.Keys.equal(next.Keys)
}

func keyNames(s *stream.SinkNode) []string {
	var names []string
	for _, c := range s.Inputs[0].Key {
		names = append(names, c.Name)
	}
	return names
}

func shapesOf(s *stream.SinkNode) keyShapes {
	var shapes keyShapes
	for i := range s.Inputs {
		types := make([]string, len(s.Inputs[i].Key))
		for j, c := range s.Inputs[i].Key {
			types[j] = c.Type.String()
		}
		shapes = shapes.with(keyShapes{types})
	}
	return shapes
}

// replace gives a sink a new instance. With swap the one that serves goes on serving until the new one is
// complete; one that was never completed goes at once.
func (n *storedPlan) replace(name string, was storedSink, next *storedSink, text string) {
	next.Instance = n.instance()
	if !next.Swap {
		n.drop(name, was.Instance)
		if r, ok := n.Retiring[name]; ok {
			n.drop(name, r.Instance)
			delete(n.Retiring, name)
		}
		return
	}
	next.Building = true
	if was.Building {
		n.drop(name, was.Instance)
		return
	}
	was.Text = text
	n.Retiring[name] = was
}

// beside is the other instance of a target's sink while a swap is under way; 0: there is none.
func (p *storedPlan) beside(t *target) uint32 {
	if t.retiring {
		return p.Sinks[t.name].Instance
	}
	return p.Retiring[t.name].Instance
}

func (n *storedPlan) drop(sink string, instance uint32) {
	n.Dropped = append(n.Dropped, storedDrop{Instance: instance, Sink: sink})
}

func (n *storedPlan) migrateRoots(old *storedPlan, plan *stream.Plan, dirty map[int]bool) {
	for i, c := range plan.Collections {
		if c.Source < 0 {
			continue
		}
		was, ok := old.Roots[c.Name]
		if !ok {
			was = storedRoot{Instance: n.instance()}
			dirty[i] = true // read from the start, also where its source has a position already
			if old.Number == 0 {
				delete(dirty, i) // as everything is in a new state
			}
		}
		next := storedRoot{Instance: was.Instance, Layout: was.Layout, Retained: retains(plan, i), Backfill: was.Backfill}
		columns := layoutOf(c)
		if ok && slices.Equal(n.Layouts[was.Layout], columns) {
			columns = nil
		}
		missing := false
		if columns != nil {
			next.Layout = uint64(len(n.Layouts)) + 1
			for _, name := range columns {
				missing = missing || ok && !slices.Contains(n.Layouts[was.Layout], name)
			}
			n.Layouts[next.Layout] = columns
		}
		if dirty[i] {
			next.Backfill = backfillScan
			if missing || !was.Retained || was.Rescan || was.Backfill == backfillRescan { // one under way goes on
				next.Backfill = backfillRescan
			}
		} else if ok && next.Retained && !was.Retained {
			next.Backfill = backfillRescan
			dirty[i] = true
		}
		n.Roots[c.Name] = next
	}
	for name, was := range old.Roots {
		if _, ok := n.Roots[name]; !ok {
			n.Vanished[fmt.Sprintf("%s/%d", name, was.Instance)] = was
			dirty[-1] = true
		}
	}
}

// forgetPositions removes the positions of sources that have left the flow: what comes back under an old name
// begins anew, since nothing is held of it.
func (p *storedPlan) forgetPositions(plan *stream.Plan, b *statestore.Batch) {
	for name := range p.Vanished {
		collection, _, _ := strings.Cut(name, "/")
		source, _, _ := strings.Cut(collection, ".")
		if !slices.ContainsFunc(plan.Sources, func(s *stream.SourceNode) bool { return s.Name == source }) {
			b.Delete(metaKey("cursor/" + source))
		}
	}
}

// layoutOf lists the columns of a retained row with their types, so that a change of either is seen.
func layoutOf(c *stream.CollectionNode) []string {
	columns := make([]string, len(c.Schema.Columns))
	for i, column := range c.Schema.Columns {
		columns[i] = column.Name + " " + column.Type.String()
	}
	return columns
}

// retains reports whether the rows of a source collection are kept: where an expensive step has to build
// its output later than its input came, where a target's key may need another owner's row, where the source
// cannot be read again, and where it leaves out what did not change.
func retains(plan *stream.Plan, root int) bool {
	if source := plan.Sources[plan.Collections[root].Source]; !source.Rescans || source.Sparse {
		return true
	}
	steps, sinks := plan.Reach(root)
	for _, s := range steps {
		if plan.Steps[s].Caller != nil {
			return true
		}
	}
	for _, s := range sinks {
		if plan.Sinks[s.Sink].Key[s.Input] != nil {
			return true
		}
	}
	return false
}
