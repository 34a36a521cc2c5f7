package statestore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/statestore"
)

func Example() {
	db, err := statestore.Open("state", statestore.DBOptions{FS: vfs.NewMem()})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A result is durable in the memo before the state refers to it.
	result := statestore.Entry{Fingerprint: statestore.Fingerprint{1}, Value: []byte("0.1 0.7")}
	if err := db.Memo.Put([]statestore.Entry{result}); err != nil {
		fmt.Println(err)
		return
	}
	owner := statestore.Key{Space: statestore.SpaceOwners, Instance: 1, Owner: []byte("doc-7")}
	b := db.State.NewBatch()
	b.Put(statestore.AppendKey(nil, owner), result.Fingerprint[:])
	err = db.CommitEpoch(b, 1)
	fmt.Println("durable epoch", db.DurableEpoch(), err)

	record, ok, err := db.State.Get(statestore.AppendKey(nil, owner))
	fmt.Println("record", len(record), ok, err)
	fmt.Println("close", db.Close())
	// Output:
	// durable epoch 1 <nil>
	// record 16 true <nil>
	// close <nil>
}

// openDB opens a small state that the test closes or crashes.
func openDB(t *testing.T, fs vfs.FS, dir string) *statestore.DB {
	t.Helper()
	db, err := statestore.Open(dir, statestore.DBOptions{FS: fs, MemoryBytes: 8 << 20, Fatal: unexpectedFatal(t)})
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	return db
}

func closeDB(t *testing.T, db *statestore.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// unexpectedFatal fails the test at once: a store in these tests has no reason to end the process.
func unexpectedFatal(t *testing.T) func(int, error) {
	return func(code int, err error) {
		t.Errorf("store ends the process with %d: %v", code, err)
		panic(err)
	}
}

func ownerKey(owner string) []byte {
	return statestore.AppendKey(nil, statestore.Key{Space: statestore.SpaceOwners, Instance: 1, Owner: []byte(owner)})
}

func TestAStateSurvivesCloseAndOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	b := db.State.NewBatch()
	b.Put(ownerKey("a"), []byte("1"))
	key, value := b.PutDeferred(len(ownerKey("b")), 1)
	copy(key, ownerKey("b"))
	copy(value, "2")
	if err := db.CommitEpoch(b, 7); err != nil {
		t.Fatal(err)
	}
	fp := statestore.Fingerprint{1, 2, 3}
	if err := db.Memo.Put([]statestore.Entry{{Fingerprint: fp, Value: []byte("vector")}}); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)

	db = openDB(t, nil, dir)
	defer closeDB(t, db)
	if got := db.DurableEpoch(); got != 7 {
		t.Errorf("durable epoch %d, want 7", got)
	}
	for owner, want := range map[string]string{"a": "1", "b": "2"} {
		if got, ok, err := db.State.Get(ownerKey(owner)); err != nil || !ok || string(got) != want {
			t.Errorf("owner %s: %q %v %v, want %q", owner, got, ok, err, want)
		}
	}
	if got, ok, err := db.Memo.Get(fp); err != nil || !ok || string(got) != "vector" {
		t.Errorf("memo: %q %v %v", got, ok, err)
	}
	var order *statestore.EpochError
	if err := db.CommitEpoch(db.State.NewBatch(), 7); !errors.As(err, &order) {
		t.Errorf("commit of epoch 7 again: %v, want an EpochError", err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the state directory %v %v, want 0700", info.Mode(), err)
	}
}

func TestABatchIsCommittedOnceAndOnlyToItsStore(t *testing.T) {
	db := openDB(t, vfs.NewMem(), "state")
	other := openDB(t, vfs.NewMem(), "other")
	defer closeDB(t, db)
	defer closeDB(t, other)
	b := db.State.NewBatch()
	b.Put(ownerKey("a"), nil)
	if err := other.State.Commit(b, true); err == nil {
		t.Error("a batch of another store was committed")
	}
	if err := db.State.Commit(b, true); err != nil {
		t.Fatal(err)
	}
	if err := db.State.Commit(b, true); err == nil {
		t.Error("a batch was committed twice")
	}
	b.Reset()
	if err := db.CommitEpoch(b, 1); err != nil || db.DurableEpoch() != 1 {
		t.Errorf("commit after a reset: %v, durable epoch %d", err, db.DurableEpoch())
	}
}
