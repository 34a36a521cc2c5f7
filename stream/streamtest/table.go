package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Table is a target in memory, which outlives the engines that write to it. It counts what is wrong: an
// effect of a fenced generation, a version that falls, a late write.
type Table struct {
	mu         sync.Mutex
	rows       map[string]Row
	versions   map[string]uint64 // of deletes as well
	several    bool              // keys begin with the name of their collection
	state      string
	instance   uint32
	generation uint64
	epoch      uint64
	applies    int
	writes     int
	idle       int // effects that changed nothing
	faults     []Fault
	slow       time.Duration
	reject     func(key string, row cdc.Row) bool
	view       func(rows map[string]Row)
	wrong      []string
}

// Row is what the table holds under a key: the columns as JSON.
type Row struct {
	JSON    string
	Version uint64
}

// Fault is one misbehaviour of a Table, spent by the Apply that meets it.
type Fault uint8

// The misbehaviours.
const (
	LostAck  Fault = iota + 1 // the effects are applied and the answer is lost
	Partial                   // the first half is applied, then an error
	Refusing                  // nothing is applied
	Emptied                   // nothing is applied, and everything that was is lost
)

// ErrScripted is the error of a scripted fault.
var ErrScripted = errors.New("scripted fault")

// NewTable is an empty target.
func NewTable() *Table {
	return &Table{rows: map[string]Row{}, versions: map[string]uint64{}}
}

// Script adds faults to be met by the next calls of Apply, in order.
func (t *Table) Script(faults ...Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, faults...)
}

// Forgive forgets the faults that are still to come.
func (t *Table) Forgive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = nil
}

// Slow has every Apply take so long, while the engine goes on.
func (t *Table) Slow(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slow = d
}

// Reject has rows refused for good for which fn reports true; nil refuses none.
func (t *Table) Reject(fn func(key string, row cdc.Row) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reject = fn
}

// Watch calls fn with the rows after every Apply, under the table's lock.
func (t *Table) Watch(fn func(rows map[string]Row)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.view = fn
}

// Wipe removes all rows and the progress behind the engine's back.
func (t *Table) Wipe() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
}

func (t *Table) wipe() {
	t.rows, t.versions, t.epoch, t.state = map[string]Row{}, map[string]uint64{}, 0, ""
}

// Rows is a copy of what the table holds: columns as JSON by key.
func (t *Table) Rows() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make(map[string]string, len(t.rows))
	for k, r := range t.rows {
		rows[k] = r.JSON
	}
	return rows
}

// Writes counts effects that were applied, and how many of them changed nothing.
func (t *Table) Writes() (writes, idle int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writes, t.idle
}

// Wrong lists the promises that were seen broken.
func (t *Table) Wrong() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.wrong...)
}

// Sink declares the table as a sink.
func (t *Table) Sink() *TableSink { return &TableSink{table: t} }

// TableSink is a declared Table.
type TableSink struct {
	table *Table
	gone  func() bool
}

// Until returns the sink as a process sees it that dies when gone reports true: from then on its writes
// do not reach the table.
func (s *TableSink) Until(gone func() bool) *TableSink { return &TableSink{table: s.table, gone: gone} }

// Bind implements stream.Sink.
func (s *TableSink) Bind(in []stream.Collection) (stream.Binding, error) {
	storage := "table"
	if len(in) > 1 {
		storage = "table of several" // whose keys begin with the collection's name
	}
	return stream.Binding{Storage: []byte(storage), Beside: false}, nil
}

// Open implements stream.Sink.
func (s *TableSink) Open(_ context.Context, target stream.Target) (stream.Writer, error) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	p := stream.Progress{Generation: max(t.generation, target.Generation) + 1}
	same := t.state == target.State && t.instance == target.Instance
	if several := len(target.Collections) > 1; several != t.several {
		t.rows, t.several = map[string]Row{}, several // stored another way, so it is built anew
	}
	if t.several {
		maps.DeleteFunc(t.rows, func(key string, _ Row) bool { // of collections that it takes no more
			name, _, _ := strings.Cut(key, "/")
			return !slices.ContainsFunc(target.Collections, func(c stream.SinkCollection) bool { return c.Name == name })
		})
	}
	if same {
		p.Epoch = t.epoch
	}
	p.Foreign = !same && len(t.rows) > 0
	p.Wiped = target.Epoch > 0 && (!same || t.epoch < target.Epoch)
	t.generation, t.state, t.instance = p.Generation, target.State, target.Instance
	if !same {
		t.epoch = 0
	}
	return &tableWriter{sink: s, target: target, progress: p}, nil
}

type tableWriter struct {
	sink     *TableSink
	target   stream.Target
	progress stream.Progress
}

func (w *tableWriter) Progress() stream.Progress { return w.progress }
func (w *tableWriter) Close() error              { return nil }

// Rows implements stream.Counter.
func (w *tableWriter) Rows() int64 {
	t := w.sink.table
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(len(t.rows))
}

// Keys implements stream.Lister.
func (w *tableWriter) Keys(_ context.Context, fn func(collection int, key string) error) error {
	t := w.sink.table
	t.mu.Lock()
	keys := make([]string, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	t.mu.Unlock()
	for _, key := range keys {
		collection := 0
		if len(w.target.Collections) > 1 {
			name, rest, _ := strings.Cut(key, "/")
			key = rest
			for i := range w.target.Collections {
				if w.target.Collections[i].Name == name {
					collection = i
				}
			}
		}
		if err := fn(collection, key); err != nil {
			return err
		}
	}
	return nil
}

// Apply implements stream.Writer in one step, unless a fault is scripted.
func (w *tableWriter) Apply(ctx context.Context, txn *stream.Txn) error {
	var effects []stream.Effect
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		e.Row = append(cdc.Row(nil), e.Row...)
		e.Key = append(cdc.Key(nil), e.Key...)
		effects = append(effects, e)
	}
	t := w.sink.table
	t.mu.Lock()
	slow := t.slow
	t.mu.Unlock()
	if slow > 0 && !await(ctx, slow) {
		return ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.sink.gone != nil && w.sink.gone() {
		return ErrScripted
	}
	if txn.Generation < t.generation {
		return fmt.Errorf("generation %d: %w", txn.Generation, stream.ErrFenced)
	}
	var fault Fault
	if len(t.faults) > 0 {
		fault, t.faults = t.faults[0], t.faults[1:]
	}
	if fault == Refusing {
		return ErrScripted
	}
	if fault == Emptied {
		t.wipe()
		return stream.ErrLost
	}
	if t.reject != nil {
		for i := range effects {
			if e := &effects[i]; !e.Delete && t.reject(e.Key.Text(), e.Row) {
				return &stream.RejectError{Key: e.Key, Code: "refused", Err: ErrScripted}
			}
		}
	}
	n := len(effects)
	if fault == Partial {
		n /= 2
	}
	for i := range n {
		t.apply(&effects[i], w.target.Collections)
	}
	t.applies++
	if t.view != nil && fault != Partial {
		t.view(t.rows)
	}
	if fault != 0 {
		return ErrScripted
	}
	t.epoch = max(t.epoch, txn.Last)
	return nil
}

func (t *Table) apply(e *stream.Effect, collections []stream.SinkCollection) {
	key := e.Key.Text()
	if len(collections) > 1 {
		key = collections[e.Collection].Name + "/" + key
	}
	was, had := t.rows[key]
	if e.Version < t.versions[key] {
		t.wrong = append(t.wrong, fmt.Sprintf("version of %s falls from %d to %d", key, t.versions[key], e.Version))
	}
	replay := e.Version == t.versions[key]
	t.versions[key] = e.Version
	t.writes++
	if e.Delete {
		if !had && !replay {
			t.idle++
		}
		delete(t.rows, key)
		return
	}
	c := &collections[e.Collection]
	json := "{" + string(cdc.AppendFieldsJSON(nil, c.Schema.Columns[:len(c.Schema.Columns)-c.Hidden], e.Row)) + "}"
	if had && was.JSON == json && !replay {
		t.idle++
	}
	t.rows[key] = Row{JSON: json, Version: e.Version}
}
