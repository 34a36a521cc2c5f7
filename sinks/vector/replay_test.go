package vector_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector"
)

func TestReplaysAndLateWritesChangeNothing(t *testing.T) { // I3
	x := open(t, vfs.NewMem(), vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Generation: 1, Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "a1", 1, 0), up("b", 1, "b1", 0, 1)}})
	apply(t, x, vector.Txn{Generation: 1, Epoch: 2, Upserts: []vector.Upsert{up("a", 2, "a2", 1, 0)}, Deletes: []vector.Delete{del("b", 2)}})
	want := map[string]string{"a": "2 a2"}
	for _, c := range []struct {
		name string
		txn  vector.Txn
	}{
		{"the same epoch again", vector.Txn{Generation: 1, Epoch: 2, Upserts: []vector.Upsert{up("a", 9, "again", 1, 0)}}},
		{"an earlier epoch", vector.Txn{Generation: 1, Epoch: 1, Deletes: []vector.Delete{del("a", 9)}}},
		{"an older version in a later epoch", vector.Txn{Generation: 1, Epoch: 3, Upserts: []vector.Upsert{up("a", 1, "late", 1, 0)}}},
		{"the same version in a later epoch", vector.Txn{Generation: 1, Epoch: 4, Upserts: []vector.Upsert{up("a", 2, "other", 1, 0)}}},
		{"an older delete", vector.Txn{Generation: 1, Epoch: 5, Deletes: []vector.Delete{del("a", 1)}}},
		{"an upsert older than the delete", vector.Txn{Generation: 1, Epoch: 6, Upserts: []vector.Upsert{up("b", 1, "risen", 0, 1)}}},
		{"an upsert as old as the delete", vector.Txn{Generation: 1, Epoch: 7, Upserts: []vector.Upsert{up("b", 2, "risen", 0, 1)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			apply(t, x, c.txn)
			if diff := cmp.Diff(want, dump(t, x)); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
		})
	}
	apply(t, x, vector.Txn{Generation: 1, Epoch: 8, Upserts: []vector.Upsert{up("b", 3, "b3", 0, 1)}})
	want["b"] = "3 b3"
	if diff := cmp.Diff(want, dump(t, x)); diff != "" {
		t.Errorf("a newer upsert after a delete (-want +got):\n%s", diff)
	}
}

func TestADeleteOfAnUnknownKeyHoldsOffLaterReplays(t *testing.T) { // I3
	fs := vfs.NewMem()
	x := open(t, fs, vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Epoch: 1, Deletes: []vector.Delete{del("a", 5)}})
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, fs, vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Epoch: 2, Upserts: []vector.Upsert{up("a", 4, "late", 1, 0)}})
	if n := x.Len(); n != 0 {
		t.Fatalf("%d rows after a late upsert of a deleted key", n)
	}
}

func TestWithinATransactionTheHighestVersionCounts(t *testing.T) {
	x := open(t, vfs.NewMem(), vector.Options{Dims: 2})
	apply(t, x, vector.Txn{
		Epoch: 1,
		Upserts: []vector.Upsert{
			up("newest first", 3, "v3", 1, 0), up("newest first", 2, "v2", 1, 0),
			up("last of equals", 1, "first", 1, 0), up("last of equals", 1, "second", 1, 0),
			up("moved", 1, "kept", 1, 0),
			up("deleted", 1, "gone", 1, 0),
		},
		Deletes: []vector.Delete{del("moved", 1), del("deleted", 2)},
	})
	want := map[string]string{"newest first": "3 v3", "last of equals": "1 second", "moved": "1 kept"}
	if diff := cmp.Diff(want, dump(t, x)); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestAnOlderGenerationIsFencedOff(t *testing.T) { // I3
	fs := vfs.NewMem()
	x := open(t, fs, vector.Options{Dims: 2})
	if err := x.Fence(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	refused := func(x *vector.Index, what string, err error) {
		t.Helper()
		var fenced *vector.FencedError
		if !errors.As(err, &fenced) || fenced.Fence != 3 || fenced.Generation != 2 || fenced.Hint() == "" {
			t.Errorf("%s: got %v, want generation 2 fenced by 3", what, err)
		}
	}
	old := vector.Txn{Generation: 2, Epoch: 99, Upserts: []vector.Upsert{up("a", 99, "zombie", 1, 0)}}
	refused(x, "apply", x.Apply(t.Context(), &old))
	refused(x, "fence", x.Fence(t.Context(), 2))
	apply(t, x, vector.Txn{Generation: 3, Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "mine", 1, 0)}})
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, fs, vector.Options{Dims: 2})
	refused(x, "apply after reopening", x.Apply(t.Context(), &old))
	if diff := cmp.Diff(map[string]string{"a": "1 mine"}, dump(t, x)); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}
