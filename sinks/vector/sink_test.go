package vector_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// target is an embedded index under test, in a state directory of its own.
type target struct {
	dir  string
	path string // outside the state, or empty

	memory int64 // what it may take; 0: as much as it likes
	dims   int   // 0: 4
}

func (x *target) Sink() stream.Sink { return vector.NewSink(vector.SinkOptions{Path: x.path}) }

// StateDir is where the index lies.
func (x *target) StateDir() string { return x.dir }

// Rows asks for everything there is.
func (x *target) Rows(w stream.Writer) (map[string]streamtest.Row, error) {
	hits, err := w.(stream.Searcher).Search(context.Background(), stream.Query{Vector: []float32{1, 0, 0, 0}, K: 1 << 20})
	if err != nil {
		return nil, err
	}
	rows := map[string]streamtest.Row{}
	for _, h := range hits {
		if _, twice := rows[h.Key.Text()]; twice {
			return nil, fmt.Errorf("%q is found twice", h.Key.Text())
		}
		rows[h.Key.Text()] = streamtest.Row{JSON: "{" + string(cdc.AppendFieldsJSON(nil, shown(), h.Row)) + "}", Version: h.Version}
	}
	return rows, nil
}

// shown are the columns of the suite's rows that readers see.
func shown() []cdc.Column {
	return []cdc.Column{{Name: "owner", Type: cdc.Type{Kind: cdc.String}}, {Name: "part", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "text", Type: cdc.Type{Kind: cdc.String}}, {Name: "number", Type: cdc.Type{Kind: cdc.Float64}}}
}

// Wipe removes the files of the index.
func (x *target) Wipe() error {
	if x.path != "" {
		return os.RemoveAll(x.path)
	}
	return os.RemoveAll(filepath.Join(x.dir, "index"))
}

func TestTheIndexIsASink(t *testing.T) {
	traits := streamtest.SinkTraits{Vector: true, Transactions: true}
	t.Run("in the state", func(t *testing.T) {
		streamtest.TestSink(t, traits, func(t *testing.T) streamtest.SinkHarness { return &target{dir: t.TempDir()} })
	})
	if testing.Short() {
		return
	}
	t.Run("in a place of its own", func(t *testing.T) {
		streamtest.TestSink(t, traits, func(t *testing.T) streamtest.SinkHarness {
			return &target{dir: t.TempDir(), path: filepath.Join(t.TempDir(), "index")}
		})
	})
}

// A row that no index can hold is named, so that it alone becomes a dead letter, and the others of its range
// are not applied without it.
func TestARowThatCannotBeHeldIsNamed(t *testing.T) {
	nan := float32(math.NaN())
	for name, numbers := range map[string][]float32{"not a number": {1, nan, 0, 0}, "infinite": {1, float32(math.Inf(1)), 0, 0},
		"another length": {1, 2, 3}, "empty": {}} {
		t.Run(name, func(t *testing.T) {
			x := &target{dir: t.TempDir()}
			w := openIndex(t, x)
			good, bad := effect("good", 1, []float32{1, 0, 0, 0}), effect("bad", 1, numbers)
			var reject *stream.RejectError
			if err := w.Apply(t.Context(), rangeOf(w, 1, good, bad)); !errors.As(err, &reject) || reject.Key.Text() != "bad/1" {
				t.Fatalf("the row is answered with %v", err)
			}
			if rows, err := x.Rows(w); err != nil || len(rows) != 0 {
				t.Errorf("of the refused range the index has %v (%v)", rows, err)
			}
			if err := w.Apply(t.Context(), rangeOf(w, 1, good)); err != nil {
				t.Fatal(err)
			}
			if rows, err := x.Rows(w); err != nil || len(rows) != 1 {
				t.Errorf("of the range without the row the index has %v (%v)", rows, err)
			}
		})
	}
}

// I9: an index keeps within what its flow gives it. Growth beyond that waits, and the words say what to raise; what stands
// there can still be replaced and deleted.
func TestAnIndexKeepsWithinItsShareOfTheMemory(t *testing.T) {
	x := &target{dir: t.TempDir(), memory: 8 << 20}
	w := openIndex(t, x)
	const step = 2000
	grow := func(epoch int) *stream.Txn {
		var effects []stream.Effect
		for i := range step {
			effects = append(effects, effect("doc", int64(step*epoch+i), []float32{1, float32(i), float32(epoch), 0}))
		}
		return rangeOf(w, uint64(epoch), effects...)
	}
	epoch, err := 1, error(nil)
	for ; err == nil && epoch < 100; epoch++ {
		err = w.Apply(t.Context(), grow(epoch))
	}
	var full *vector.MemoryError
	if !errors.As(err, &full) || full.Limit != 4<<20 || errors.As(err, new(*stream.RejectError)) || !strings.Contains(err.Error(), "limited to 4.0 MiB, its share of limits.memory") {
		t.Fatalf("after %d rows it ends with %v, want a bound of 4 MiB that limits.memory moves", step*epoch, err)
	}
	held := w.(stream.Counter).Rows()
	gone := effect("doc", step+1, nil)
	gone.Delete = true
	if err := w.Apply(t.Context(), rangeOf(w, uint64(epoch), effect("doc", step, []float32{0, 0, 0, 1}), gone)); err != nil {
		t.Fatal(err)
	}
	if got := w.(stream.Counter).Rows(); got != held-1 {
		t.Errorf("%d rows of %d are left, want one less", got, held)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x.memory *= 2
	w = openIndex(t, x)
	if err := w.Apply(t.Context(), grow(epoch+1)); err != nil || w.(stream.Counter).Rows() != held-1+step {
		t.Errorf("with twice the memory it holds %d rows: %v", w.(stream.Counter).Rows(), err)
	}
}

// I9: a range is applied whole, however large; its vectors are not held for that, only their codes.
func TestALargeRangeIsNotHeldInVectors(t *testing.T) {
	const rows, dims = 6000, 256
	w := openIndex(t, &target{dir: t.TempDir(), dims: dims})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, held := heap(), uint64(0)
	numbers := make([]float32, dims)
	txn := rangeOf(w, 1)
	version := w.Progress().Generation<<40 | 1
	txn.Effects = func(yield func(stream.Effect, error) bool) {
		for i := range rows {
			numbers[i%dims] = float32(i + 1)
			e := effect("doc", int64(i), numbers)
			e.Version = version
			if !yield(e, nil) {
				return
			}
		}
		held = heap() - before
	}
	if err := w.Apply(t.Context(), txn); err != nil || w.(stream.Counter).Rows() != rows {
		t.Fatalf("the index has %d rows: %v", w.(stream.Counter).Rows(), err)
	}
	if each := held / rows; each > 4*dims {
		t.Errorf("each row of the range takes %d bytes before it is applied, and its vector alone has %d", each, 4*dims)
	}
}

// Hits come best first, match the condition and carry the row.
func TestHitsCarryTheirRows(t *testing.T) {
	x := &target{dir: t.TempDir()}
	w := openIndex(t, x)
	var effects []stream.Effect
	for i := range 50 {
		angle := float64(i) / 50
		effects = append(effects, effect("doc", int64(i), []float32{float32(math.Cos(angle)), float32(math.Sin(angle)), 0, 0}))
	}
	if err := w.Apply(t.Context(), rangeOf(w, 1, effects...)); err != nil {
		t.Fatal(err)
	}
	hits, err := w.(stream.Searcher).Search(t.Context(), stream.Query{Vector: []float32{1, 0, 0, 0}, K: 5,
		Where: func(_ int, row cdc.Row) (bool, error) { return row.At(1).Int64()%10 == 3, nil }})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range hits {
		got = append(got, fmt.Sprintf("%s %s", h.Key.Text(), h.Row.At(2).Text()))
	}
	if want := "doc/3 doc 3, doc/13 doc 13, doc/23 doc 23, doc/33 doc 33, doc/43 doc 43"; strings.Join(got, ", ") != want {
		t.Errorf("the hits are %v, want %s", got, want)
	}
	failing := errors.New("no")
	if _, err := w.(stream.Searcher).Search(t.Context(), stream.Query{Vector: []float32{1, 0, 0, 0}, K: 5,
		Where: func(int, cdc.Row) (bool, error) { return false, failing }}); !errors.Is(err, failing) {
		t.Errorf("a condition that fails ends with %v", err)
	}
}

func TestBindNamesWhatIsWrong(t *testing.T) {
	column := func(name string, kind cdc.Kind, dims int) cdc.Column {
		return cdc.Column{Name: name, Type: cdc.Type{Kind: kind, Dims: dims}}
	}
	collection := func(columns ...cdc.Column) stream.Collection {
		return stream.Collection{Name: "c", Schema: &cdc.Schema{Key: []int{0}, Columns: append([]cdc.Column{column("id", cdc.String, 0)}, columns...)}}
	}
	for name, at := range map[string]struct {
		in   []stream.Collection
		code string
	}{
		"no vector":         {[]stream.Collection{collection()}, "no_vector_column"},
		"two vectors":       {[]stream.Collection{collection(column("a", cdc.Vector, 4), column("b", cdc.Vector, 4))}, "no_vector_column"},
		"different lengths": {[]stream.Collection{collection(column("a", cdc.Vector, 4)), collection(column("a", cdc.Vector, 5))}, "dims_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vector.NewSink(vector.SinkOptions{}).Bind(at.in)
			var p *stream.Problem
			if !errors.As(err, &p) || p.Code != at.code || p.Hint == "" {
				t.Errorf("bind ends with %v, want a problem of code %s with a hint", err, at.code)
			}
		})
	}
}

func openIndex(t *testing.T, x *target) stream.Writer {
	t.Helper()
	columns := append(shown(), cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: cmp.Or(x.dims, 4)}})
	w, err := x.Sink().Open(t.Context(), stream.Target{Sink: "sink", State: "s", Dir: x.dir, MemoryBytes: x.memory, Collections: []stream.SinkCollection{{Hidden: 1,
		Key: columns[:2], Collection: stream.Collection{Name: "c", Schema: &cdc.Schema{Columns: columns, Key: []int{0, 1}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil && !errors.Is(err, vector.ErrClosed) {
			t.Error(err)
		}
	})
	return w
}

func effect(owner string, part int64, numbers []float32) stream.Effect {
	var b cdc.RowBuilder
	b.Text(owner)
	b.Int64(part)
	b.Text(fmt.Sprintf("%s %d", owner, part))
	b.Null()
	b.Vector(numbers)
	row := b.Build()
	key, err := (&cdc.Schema{Columns: shown(), Key: []int{0, 1}}).AppendKey(nil, row)
	if err != nil {
		panic(err) // texts and numbers are keyable
	}
	return stream.Effect{Key: key, Row: row}
}

func rangeOf(w stream.Writer, epoch uint64, effects ...stream.Effect) *stream.Txn {
	generation := w.Progress().Generation
	return &stream.Txn{Generation: generation, First: epoch, Last: epoch, Count: len(effects),
		Effects: func(yield func(stream.Effect, error) bool) {
			for _, e := range effects {
				e.Version = generation<<40 | epoch
				if !yield(e, nil) {
					return
				}
			}
		}}
}

// Collections of one index may have other columns, and rows under equal keys: a hit tells of which collection it is,
// and a condition is asked with it.
func TestAnIndexHoldsRowsOfSeveralForms(t *testing.T) {
	columns := append(shown(), cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 4}})
	notes := append([]cdc.Column{{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 4}}}, columns[1:2]...)
	w, err := vector.NewSink(vector.SinkOptions{}).Open(t.Context(), stream.Target{Sink: "sink", State: "s", Dir: t.TempDir(), Collections: []stream.SinkCollection{
		{Hidden: 1, Key: columns[:2], Collection: stream.Collection{Name: "docs", Schema: &cdc.Schema{Columns: columns, Key: []int{0, 1}}}},
		{Key: notes[1:], Collection: stream.Collection{Name: "notes", Schema: &cdc.Schema{Columns: notes, Key: []int{1}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	note := func(n int64, numbers []float32) stream.Effect {
		var b cdc.RowBuilder
		b.Vector(numbers)
		b.Int64(n)
		row := b.Build()
		key, err := (&cdc.Schema{Columns: notes, Key: []int{1}}).AppendKey(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		return stream.Effect{Collection: 1, Key: key, Row: row}
	}
	if err := w.Apply(t.Context(), rangeOf(w, 1, effect("doc", 1, []float32{1, 0, 0, 0}), note(2, []float32{1, 0.1, 0, 0}), effect("doc", 3, []float32{1, 0.2, 0, 0}),
		note(4, []float32{1, 0.3, 0, 0}))); err != nil {
		t.Fatal(err)
	}
	found := func(where func(int, cdc.Row) (bool, error)) (got []string) {
		hits, err := w.(stream.Searcher).Search(t.Context(), stream.Query{Vector: []float32{1, 0, 0, 0}, K: 4, Where: where})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, fmt.Sprintf("%d:%s:%d", h.Collection, h.Key.Text(), h.Row.At(1).Int64()))
		}
		return got
	}
	if got, want := found(nil), []string{"0:doc/1:1", "1:2:2", "0:doc/3:3", "1:4:4"}; !slices.Equal(got, want) {
		t.Errorf("the hits are %v, want %v", got, want)
	}
	if got, want := found(func(c int, row cdc.Row) (bool, error) { return c == 1 && row.Len() == 2 && row.At(1).Int64() > 2, nil }), []string{"1:4:4"}; !slices.Equal(got, want) {
		t.Errorf("with a condition the hits are %v, want %v", got, want)
	}
}
