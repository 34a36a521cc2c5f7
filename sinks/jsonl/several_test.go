package jsonl_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream"
)

// of is an epoch with one effect of a collection.
func of(w stream.Writer, epoch uint64, collection int, owner string, remove bool) *stream.Txn {
	t := txn(w, epoch, owner)
	for e := range t.Effects {
		e.Collection, e.Delete = collection, remove
		t.Effects = func(yield func(stream.Effect, error) bool) { yield(e, nil) }
	}
	return t
}

// keysOf are the keys that a log lists, with the number of their collection.
func keysOf(t *testing.T, w stream.Writer) (keys []string) {
	t.Helper()
	err := w.(stream.Lister).Keys(t.Context(), func(collection int, key string) error {
		keys = append(keys, fmt.Sprint(collection, " ", key))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// TestRowsOfSeveralCollectionsAreToldApart: two of them may have the same key, and the end of one is not that of the other.
func TestRowsOfSeveralCollectionsAreToldApart(t *testing.T) {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
	w := openedFor(t, l, stream.Target{State: "s"}, "shop.orders", "shop.items")
	defer w.Close()
	for epoch, apply := range []*stream.Txn{of(w, 1, 0, "7", false), of(w, 2, 1, "7", false), of(w, 3, 0, "a/b", false)} {
		if err := w.Apply(t.Context(), apply); err != nil {
			t.Fatal(epoch, err)
		}
	}
	if diff := cmp.Diff([]string{"0 7", "0 a/b", "1 7"}, keysOf(t, w)); diff != "" {
		t.Errorf("it lists (-want +got):\n%s", diff)
	}
	if err := w.Apply(t.Context(), of(w, 4, 0, "7", true)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0 a/b", "1 7"}, keysOf(t, w)); diff != "" {
		t.Errorf("after an end it lists (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(l.path)
	if err != nil || !strings.Contains(string(text), `{"_op":"delete","_key":"shop.orders/7"`) {
		t.Errorf("the log says %s (%v)", text, err)
	}
}

// TestKeysOfALogThatHadOneCollectionEnd: a collection more changes how keys are written, and what was written before is not
// left behind (I6).
func TestKeysOfALogThatHadOneCollectionEnd(t *testing.T) {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
	w := openedFor(t, l, stream.Target{State: "s", Instance: 1}, "docs")
	write(t, w, 1, "a")
	write(t, w, 2, "b")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = openedFor(t, l, stream.Target{State: "s", Instance: 2, Generation: w.Progress().Generation}, "docs", "notes")
	defer w.Close()
	if !w.Progress().Foreign {
		t.Error("nobody will compare what the log has")
	}
	if err := w.Apply(t.Context(), of(w, 3, 0, "a", false)); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"0 a"}, {"0 a", "1 n"}, {"0 a"}} { // listed again and again, the ends stand there once
		if diff := cmp.Diff(want, keysOf(t, w)); diff != "" {
			t.Errorf("it lists (-want +got):\n%s", diff)
		}
		if err := w.Apply(t.Context(), of(w, uint64(4+i), 1, "n", i == 1)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(l.path)
	for _, end := range []string{`{"_op":"delete","_key":"a"`, `{"_op":"delete","_key":"b"`} {
		if err != nil || strings.Count(string(text), end) != 1 {
			t.Errorf("the log has not one %s: %s (%v)", end, text, err)
		}
	}
}
