package streamtest_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// shelf is a target: rows in memory. A real one keeps rows, versions and progress in one place, and changes them in one step.
type shelf struct {
	mu         sync.Mutex
	rows       map[string]streamtest.Row
	versions   map[string]uint64 // of rows that were deleted, too: a late write must not bring one back
	state      string            // which state has written
	instance   uint32
	generation uint64
	epoch      uint64
}

func newShelf() *shelf {
	return &shelf{rows: map[string]streamtest.Row{}, versions: map[string]uint64{}}
}

// names are the keys of the rows, in order.
func (h *shelf) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.rows))
}

// onShelf is the sink: a declaration, which is handed the target when the flow runs.
type onShelf struct{ shelf *shelf }

// Bind says what the sink needs besides the columns that the flow names: nothing.
func (s onShelf) Bind([]stream.Collection) (stream.Binding, error) {
	return stream.Binding{Storage: []byte("shelf")}, nil
}

// Open takes the shelf over: a generation above every one that has written, and the epoch up to which it is written.
func (s onShelf) Open(_ context.Context, target stream.Target) (stream.Writer, error) {
	h := s.shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation = max(h.generation, target.Generation) + 1
	p := stream.Progress{Generation: h.generation, Exact: true}
	if h.state != target.State || h.instance != target.Instance {
		clear(h.rows) // another state wrote: begin anew
		clear(h.versions)
		h.state, h.instance, h.epoch = target.State, target.Instance, 0
	}
	p.Epoch = h.epoch
	p.Wiped = h.epoch < target.Epoch // it holds less than it has acknowledged
	return &shelving{shelf: h, target: target, progress: p}, nil
}

// shelving is the sink at work.
type shelving struct {
	shelf    *shelf
	target   stream.Target
	progress stream.Progress
}

func (w *shelving) Progress() stream.Progress { return w.progress }

func (w *shelving) Close() error { return nil }

// Apply writes whole epochs, and that they are written, in one step.
func (w *shelving) Apply(_ context.Context, txn *stream.Txn) error {
	h := w.shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	if txn.Generation < h.generation {
		return stream.ErrFenced // I3: a newer process writes
	}
	rows, versions := maps.Clone(h.rows), maps.Clone(h.versions)
	for e, err := range txn.Effects {
		if err != nil {
			return err // nothing is written
		}
		c := &w.target.Collections[e.Collection]
		key := c.Name + "/" + e.Key.Text()
		switch {
		case e.Version < versions[key]:
			continue // I3: late
		case e.Delete:
			delete(rows, key)
		default:
			rows[key] = streamtest.Row{JSON: "{" + string(cdc.AppendFieldsJSON(nil, c.Schema.Columns, e.Row)) + "}", Version: e.Version}
		}
		versions[key] = e.Version
	}
	h.rows, h.versions, h.epoch = rows, versions, max(h.epoch, txn.Last)
	return nil
}

// wall is the world of a shelf.
type wall struct{ shelf *shelf }

func (w wall) Sink() stream.Sink { return onShelf{w.shelf} }

func (w wall) Rows(stream.Writer) (map[string]streamtest.Row, error) {
	w.shelf.mu.Lock()
	defer w.shelf.mu.Unlock()
	rows := map[string]streamtest.Row{}
	for name, row := range w.shelf.rows {
		_, key, _ := strings.Cut(name, "/") // behind that of the collection
		rows[key] = row
	}
	return rows, nil
}

func (w wall) Wipe() error {
	*w.shelf = shelf{rows: map[string]streamtest.Row{}, versions: map[string]uint64{}}
	return nil
}

func TestShelfConforms(t *testing.T) {
	streamtest.TestSink(t, streamtest.SinkTraits{Transactions: true, Shared: true}, func(*testing.T) streamtest.SinkHarness {
		return wall{newShelf()}
	})
}
