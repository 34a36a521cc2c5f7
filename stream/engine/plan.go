package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
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
	Changes  map[uint64][]string   `json:"changes,omitempty"`  // by number: the steps and sinks that the change of logic began at
	Known    Known                 `json:"known"`
}

// Known is what a plan was told by servers: with it the flow can be planned again to look into its state while they are away.
type Known struct {
	Offers map[string][]stream.Collection `json:"offers,omitempty"` // by source
	Dims   map[string]int                 `json:"dims,omitempty"`   // of the vectors of models
}

// knownOf is what a plan was told.
func knownOf(plan *stream.Plan) Known {
	k := Known{Offers: map[string][]stream.Collection{}, Dims: map[string]int{}}
	for _, n := range plan.Sources {
		k.Offers[n.Name] = n.Offers
	}
	for _, s := range plan.Steps {
		if s.Caller == nil {
			continue
		}
		for _, c := range plan.Collections[s.Out].Schema.Columns {
			if c.Type.Kind == cdc.Vector && plan.Collections[s.From].Schema.Index(c.Name) < 0 {
				k.Dims[s.Caller.Calls().Model.Name()] = c.Type.Dims
			}
		}
	}
	return k
}

// equal compares what two plans were told, one of which was read from a state.
func (k *Known) equal(other *Known) bool {
	mine, err := json.Marshal(k)
	theirs, err2 := json.Marshal(other)
	return err == nil && err2 == nil && bytes.Equal(mine, theirs)
}

// StoppedKnown is what the plan that a state was last run with was told.
func StoppedKnown(db *statestore.DB) (Known, error) {
	stored, err := loadPlan(db)
	if err != nil || stored == nil {
		return Known{}, err
	}
	return stored.Known, nil
}

type storedRoot struct {
	Instance uint32 `json:"instance"`
	Key      string `json:"key,omitempty"` // by which its owners are named; empty: a state of an older version
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
	Logic    string `json:"logic"`           // of the step and everything before it
	Own      string `json:"own"`             // of the step alone
	Model    string `json:"model,omitempty"` // who answers its calls, without what else they depend on
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
