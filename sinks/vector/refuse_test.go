package vector_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
)

func TestRowsThatCannotBeScoredAreRefusedByName(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		name   string
		metric stream.Metric
		row    vector.Upsert
		want   error
	}{
		{"a vector of zeros", stream.Cosine, up("bad", 1, "", 0, 0, 0), vector.ErrZeroVector},
		{"a vector of zeros under l2", stream.L2, up("bad", 1, "", 0, 0, 0), vector.ErrZeroVector},
		{"a NaN", stream.Cosine, up("bad", 1, "", 1, nan, 0), vector.ErrNotFinite},
		{"an infinity", stream.Dot, up("bad", 1, "", 1, inf, 0), vector.ErrNotFinite},
		{"a length beyond float32", stream.Dot, up("bad", 1, "", 1e30, 0, 0), vector.ErrOutOfRange},
		{"no key", stream.Cosine, up("", 1, "", 1, 0, 0), vector.ErrNoKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := open(t, vfs.NewMem(), vector.Options{Dims: 3, Metric: c.metric})
			err := x.Apply(t.Context(), &vector.Txn{Epoch: 1, Upserts: []vector.Upsert{up("good", 1, "", 1, 0, 0), c.row}})
			var row *vector.RowError
			if !errors.As(err, &row) || !errors.Is(err, c.want) || string(row.Key) != string(c.row.Key) {
				t.Fatalf("got %v, want row %q refused with %v", err, c.row.Key, c.want)
			}
			if _, epoch, _ := x.Progress(); x.Len() != 0 || epoch != 0 {
				t.Errorf("a refused transaction left %d rows and epoch %d", x.Len(), epoch)
			}
		})
	}
	t.Run("every bad row is named, wrong lengths too", func(t *testing.T) {
		x := open(t, vfs.NewMem(), vector.Options{Dims: 3})
		err := x.Apply(t.Context(), &vector.Txn{Epoch: 1, Upserts: []vector.Upsert{
			up("short", 1, "", 1, 0), up("good", 1, "", 1, 0, 0), up("zero", 1, "", 0, 0, 0),
		}})
		var rows vector.RowErrors
		var dims *vector.DimsError
		if !errors.As(err, &rows) || len(rows) != 2 || !errors.As(err, &dims) || dims.Got != 2 || dims.Want != 3 {
			t.Fatalf("got %v, want two rows refused, one for 2 of 3 dimensions", err)
		}
	})
	t.Run("vectors of extreme length keep their direction under cosine", func(t *testing.T) {
		x := open(t, vfs.NewMem(), vector.Options{Dims: 3})
		apply(t, x, vector.Txn{Epoch: 1, Upserts: []vector.Upsert{
			up("huge", 1, "", 3e38, 3e38, 0), up("tiny", 1, "", 0, 1e-44, 1e-44),
		}})
		hits := search(t, x, vector.Query{Vector: []float32{1e-40, 1e-40, 0}, K: 2})
		if diff := cmp.Diff([]string{"huge", "tiny"}, keys(hits)); diff != "" || hits[0].Score < 0.99 || math.Abs(float64(hits[1].Score)-0.5) > 0.02 {
			t.Errorf("got %v", hits)
		}
	})
}

func TestQueriesThatMakeNoSenseAreErrors(t *testing.T) {
	x := open(t, vfs.NewMem(), vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "", 1, 0)}})
	var dims *vector.DimsError
	if _, err := x.Search(t.Context(), vector.Query{Vector: []float32{1}, K: 1}); !errors.As(err, &dims) {
		t.Errorf("short query: got %v", err)
	}
	if _, err := x.Search(t.Context(), vector.Query{Vector: []float32{0, 0}, K: 1}); !errors.Is(err, vector.ErrZeroVector) {
		t.Errorf("zero query: got %v", err)
	}
	if _, err := x.Search(t.Context(), vector.Query{Vector: []float32{1, 0}}); !errors.Is(err, vector.ErrNoResults) {
		t.Errorf("k of 0: got %v", err)
	}
	boom := errors.New("boom")
	_, err := x.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 1, Match: func(_, _ []byte) (bool, error) { return false, boom }})
	if !errors.Is(err, boom) {
		t.Errorf("failing filter: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Search(ctx, vector.Query{Vector: []float32{1, 0}, K: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := x.Apply(ctx, &vector.Txn{Epoch: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled apply: got %v", err)
	}
}

func TestAnIndexKeepsItsDimensionsAndMetric(t *testing.T) {
	fs := vfs.NewMem()
	x := open(t, fs, vector.Options{Dims: 2, Metric: stream.L2})
	apply(t, x, vector.Txn{Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "", 1, 0)}})
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    vector.Options
		want vector.ConfigError
	}{
		{vector.Options{Dims: 3, Metric: stream.L2, FS: fs}, vector.ConfigError{Dir: "index", Field: "dims", Stored: "2", Requested: "3"}},
		{vector.Options{Dims: 2, FS: fs}, vector.ConfigError{Dir: "index", Field: "metric", Stored: "l2", Requested: "cosine"}},
	} {
		_, err := vector.Open("index", c.o)
		var got *vector.ConfigError
		if !errors.As(err, &got) || *got != c.want || got.Hint() == "" {
			t.Errorf("got %v, want %v", err, &c.want)
		}
	}
	x = open(t, fs, vector.Options{Dims: 2, Metric: stream.L2})
	if x.Len() != 1 {
		t.Errorf("%d rows after refused opens, want 1", x.Len())
	}
	if _, err := vector.Open("other", vector.Options{FS: fs, Metric: 9, TargetRecall: 2}); err == nil {
		t.Error("impossible options were taken")
	}
}

func TestClosedMeansClosed(t *testing.T) {
	x := open(t, vfs.NewMem(), vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "", 1, 0)}})
	v := x.View()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	_, searchErr := v.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 1})
	_, indexErr := x.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 1})
	for what, err := range map[string]error{
		"close":       x.Close(),
		"apply":       x.Apply(t.Context(), &vector.Txn{Epoch: 2}),
		"fence":       x.Fence(t.Context(), 9),
		"maintain":    x.Maintain(t.Context()),
		"view search": searchErr,
		"search":      indexErr,
	} {
		if !errors.Is(err, vector.ErrClosed) {
			t.Errorf("%s after close: got %v, want ErrClosed", what, err)
		}
	}
	v.Close()
}
