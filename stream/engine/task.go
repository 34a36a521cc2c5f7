package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// task is one owner to be evaluated in an epoch, with all that has come up for it: the newest change of
// its row, results that have arrived, a retry, or a change of logic.
type task struct {
	root   *root
	key    cdc.Key
	stored []byte // the owner's record as it stands; nil: none

	changed bool // the source said something: the fields below hold
	op      cdc.Op
	row     cdc.Row
	note    []byte
	noted   bool
	cause   *cdc.Cause
	origin  cdc.Position
	time    int64

	live    bool // a person may be waiting for it
	force   bool // evaluate even if neither row nor logic changed
	retry   []retry
	refused []refusal
}

// retry asks for a rejected row to be tried again, or for its dead letter to be dropped.
type retry struct {
	instance uint32
	child    []byte
	discard  bool
}

// refusal is the final no of a model or a sink.
type refusal struct {
	call     stream.Fingerprint // of a model's; zero: a sink's
	instance uint32             // of the sink
	child    []byte             // of the sink's row: behind the owner's key
	row      cdc.Row            // of the sink
	code     string
	message  string
	reply    string // what the model said, as it came
	attempts int
}

// hashRow identifies a row; the key is part of it, so that a clash of key hashes is no clash of rows.
func hashRow(key cdc.Key, row cdc.Row, note []byte) rowHash {
	h := xxh3.New()
	_, _ = h.Write(key)
	_, _ = h.Write(row)
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(note)
	return h.Sum128().Bytes()
}

// hashBytes identifies what a sink holds of a row.
func hashBytes(b []byte) rowHash { return xxh3.Hash128(b).Bytes() }

// addChange folds a change into the task of its key, the newest being the one that counts.
func (e *Engine) addChange(g *gathered, source int, c *cdc.Change, position cdc.Position, count *changeCount, spilled bool) error {
	count.byOp[c.Op&7]++
	count.last = max(count.last, c.Time)
	r := e.graph.byPlace[source][c.Collection]
	if len(c.From) > 0 {
		if err := e.inherit(g, r, c); err != nil {
			return err
		}
	}
	e.keyed = appendTaskKey(e.keyed[:0], r, c.Key)
	t := g.index[string(e.keyed)]
	if t == nil && (c.Op == cdc.Insert || c.Op == cdc.Update) && e.table.same(r, c.Key, hashRow(c.Key, c.After, c.Note)) {
		return nil
	}
	if t == nil {
		t = &task{root: r, key: c.Key}
		g.index[string(e.keyed)] = t
		g.tasks = append(g.tasks, t)
	}
	t.fold(c, position)
	t.live = t.live || (count.caught || spilled) && !c.Snapshot
	return nil
}

// originOf is what of a position of a source is kept with every row.
func (e *Engine) originOf(source int, at cdc.Position) cdc.Position {
	if s, ok := e.plan.Sources[source].Source.(stream.Abridger); ok {
		return s.Origin(at)
	}
	return at
}

// fold lays a change over what the epoch already has for the key. Fields that the source did not send
// are those of the change before it (scenario 11).
func (t *task) fold(c *cdc.Change, position cdc.Position) {
	row := c.After
	if t.changed && len(t.row) > 0 && len(row) > 0 {
		row = overlay(t.row, row)
	}
	if c.Position != "" {
		position = c.Position
	}
	t.changed, t.op, t.row, t.cause, t.origin, t.time = true, c.Op, row, c.Cause, position, c.Time
	if c.Note != nil {
		t.note, t.noted = c.Note, true
	}
	if c.Op == cdc.Delete || c.Op == cdc.Truncate {
		t.note, t.noted, t.row = c.Note, c.Note != nil, nil
	}
}

// inherit resolves the fields that were not sent of a row which comes from another key, through the row that stands there
// as the changes before this one have left it: what the table holds by now may be of a later change (I11).
func (e *Engine) inherit(g *gathered, r *root, c *cdc.Change) error {
	if sentWhole(c.After) {
		return nil
	}
	var before cdc.Row
	e.keyed = appendTaskKey(e.keyed[:0], r, c.From)
	if t := g.index[string(e.keyed)]; t != nil && t.changed {
		if before = t.row; len(before) == 0 {
			return nil // it is gone
		}
	}
	if len(before) == 0 || !sentWhole(before) {
		stored, err := e.retainedRow(r, c.From)
		switch {
		case err != nil:
			return err
		case stored == nil:
		case len(before) == 0:
			before = stored
		default:
			before = overlay(stored, before)
		}
	}
	if len(before) > 0 {
		c.After = overlay(before, c.After)
	}
	return nil
}

// retainedRow is the row that the state holds under a key, in the present layout; nil where it holds none.
func (e *Engine) retainedRow(r *root, key cdc.Key) (cdc.Row, error) {
	rec, err := readOwner(e.db, r, key)
	if err != nil {
		return nil, fmt.Errorf("read the row that %s of %s was: %w", key.Text(), r.name, err)
	}
	if rec == nil || !rec.exists {
		return nil, nil
	}
	var b cdc.RowBuilder
	row, _ := r.present(rec, &b)
	return row, nil
}

// sentWhole reports whether every field of a row was sent.
func sentWhole(row cdc.Row) bool {
	for i := range row.Len() {
		if row.At(i).State == cdc.Unchanged {
			return false
		}
	}
	return true
}

// overlay resolves the unchanged fields of a row through the one before it.
func overlay(before, after cdc.Row) cdc.Row {
	if sentWhole(after) {
		return after
	}
	var b cdc.RowBuilder
	for i := range after.Len() {
		v := after.At(i)
		if v.State == cdc.Unchanged {
			v = before.At(i)
		}
		b.Value(v)
	}
	return b.Build()
}

func appendTaskKey(dst []byte, r *root, key cdc.Key) []byte {
	return append(binary.BigEndian.AppendUint32(dst, r.instance), key...)
}

// merge adds a task that stems from no change of its row: a result, a retry, a backfill, or the removal of a
// row that a rescan or a truncation has not left. What the source says of the row itself in this epoch is
// newer than a rescan, and older than a truncation, during which nothing else is taken from the source.
func (e *Engine) merge(g *gathered, t *task) {
	e.keyed = appendTaskKey(e.keyed[:0], t.root, t.key)
	if was := g.index[string(e.keyed)]; was != nil {
		was.force = was.force || t.force
		was.live = was.live || t.live
		was.retry = append(was.retry, t.retry...)
		was.refused = append(was.refused, t.refused...)
		if t.changed && (!was.changed || t.op == cdc.Truncate) {
			was.changed, was.op, was.row, was.note, was.noted, was.cause = true, t.op, nil, nil, false, nil
			was.origin, was.time = t.origin, t.time
		}
		return
	}
	g.index[string(e.keyed)] = t
	g.tasks = append(g.tasks, t)
}

// order sorts the tasks of an epoch by the keys of their owners' records, which it returns.
func (g *gathered) order() [][]byte {
	type place struct {
		head uint64 // of the key, behind what all keys share: most comparisons end here, and need not look at either key
		key  []byte
		task *task
	}
	places, block := make([]place, len(g.tasks)), make([]byte, 0, len(g.tasks)*48)
	for i, t := range g.tasks {
		from := len(block)
		block = ownerKey(block, t.root, t.key)
		places[i] = place{key: block[from:len(block):len(block)], task: t}
	}
	shared := 0
	if len(places) > 0 {
		shared = len(places[0].key)
	}
	for _, p := range places {
		shared = sharedPrefix(places[0].key[:shared], p.key)
	}
	for i, p := range places {
		var head [8]byte // a key that ends here is followed by zeros: no other key is less for that
		copy(head[:], p.key[shared:])
		places[i].head = binary.BigEndian.Uint64(head[:])
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return bytes.Compare(a.key, b.key)
	})
	keys := make([][]byte, len(places))
	for i, p := range places {
		keys[i], g.tasks[i] = p.key, p.task
	}
	return keys
}

// sharedPrefix is how many bytes a and b have in common at their beginnings.
func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
