package statestore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/statestore"
)

func TestACheckpointHoldsTheStateAsItWas(t *testing.T) {
	root := t.TempDir()
	db := openDB(t, nil, filepath.Join(root, "state"))
	defer closeDB(t, db)
	fill(t, db)
	id := writeSpill(t, db, spillRecords()...)
	copied := filepath.Join(root, "checkpoint")
	if err := db.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	if err := db.Checkpoint(copied); !errors.Is(err, fs.ErrExist) {
		t.Errorf("checkpoint over another: %v, want fs.ErrExist", err)
	}
	// What happens afterwards does not reach the copy.
	b := db.State.NewBatch()
	from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
	b.DeleteRange(from, to)
	if err := errors.Join(db.CommitEpoch(b, 50), db.State.Flush(), db.RemoveSpill(id)); err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, copied); err != nil {
		t.Errorf("read the checkpoint: %v", err)
	}
	restored := openDB(t, nil, copied)
	defer closeDB(t, restored)
	if lengths, _, err := scanSpill(restored, id, statestore.SpillStart); err != nil || len(lengths) != 5 {
		t.Errorf("spill of the checkpoint: %v %v", lengths, err)
	}
}

// TestACheckpointOfADamagedStateIsRefused: Pebble copies damage without a word; a copy that cannot be
// restored must not look like one (I10).
func TestACheckpointOfADamagedStateIsRefused(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	tables, err := filepath.Glob(filepath.Join(dir, "memo", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v %v", tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tables[0], flip(data, len(data)/3), 0o600); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, nil, dir)
	copied := filepath.Join(root, "checkpoint")
	err = db.Checkpoint(copied)
	var corrupt *statestore.CorruptError
	if !errors.As(err, &corrupt) || corrupt.File != tables[0] {
		t.Errorf("checkpoint: %v, want a CorruptError that names %s", err, tables[0])
	}
	if _, err := os.Stat(copied); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the refused copy is still there: %v", err)
	}
	closeDB(t, db)
}

func TestACheckpointThatWasCutShortIsRefused(t *testing.T) {
	root := t.TempDir()
	db := openDB(t, nil, filepath.Join(root, "state"))
	defer closeDB(t, db)
	fill(t, db)
	copied := filepath.Join(root, "checkpoint")
	if err := db.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(copied, "VERSION")); err != nil { // it is written last
		t.Fatal(err)
	}
	if err := readAll(t, copied); !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("open of half a checkpoint: %v, want ErrCorrupt", err)
	}
}

func TestAReadOnlyStateIsNotChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := statestore.Open(dir, statestore.DBOptions{ReadOnly: true}); !errors.Is(err, statestore.ErrNoState) {
		t.Errorf("read-only open of nothing: %v, want ErrNoState", err)
	}
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	before := snapshot(t, dir)
	db, err := statestore.Open(dir, statestore.DBOptions{ReadOnly: true, MemoryBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := scanAll(db); err != nil {
		t.Error(err)
	}
	b := db.State.NewBatch()
	b.Put(ownerKey("x"), nil)
	_, spillErr := db.NewSpill()
	for name, err := range map[string]error{
		"commit": db.CommitEpoch(b, 9), "flush": db.State.Flush(), "spill": spillErr,
		"memo": db.Memo.Put([]statestore.Entry{{}}),
	} {
		if !errors.Is(err, statestore.ErrReadOnly) {
			t.Errorf("%s on a read-only state: %v, want ErrReadOnly", name, err)
		}
	}
	closeDB(t, db)
	if after := snapshot(t, dir); after != before {
		t.Errorf("a read-only open changed\n%s\nto\n%s", before, after)
	}
}

// A checkpoint that is opened read-only can be copied again, as often as it is needed, and stays as it was.
func TestACheckpointCanBePutBack(t *testing.T) {
	root := t.TempDir()
	db := openDB(t, nil, filepath.Join(root, "state"))
	fill(t, db)
	id := writeSpill(t, db, spillRecords()...)
	copied := filepath.Join(root, "checkpoint")
	if err := db.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	for _, name := range []string{"first", "second"} {
		kept, err := statestore.Open(copied, statestore.DBOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(root, name)
		if err := errors.Join(kept.Checkpoint(dir), kept.Close()); err != nil {
			t.Fatal(err)
		}
		restored := openDB(t, nil, dir)
		b := restored.State.NewBatch()
		from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
		b.DeleteRange(from, to) // does not reach the checkpoint
		if lengths, _, err := scanSpill(restored, id, statestore.SpillStart); err != nil || len(lengths) != 5 {
			t.Errorf("spill of the restored state: %v %v", lengths, err)
		}
		if err := errors.Join(restored.CommitEpoch(b, 50), restored.State.Flush()); err != nil {
			t.Fatal(err)
		}
		closeDB(t, restored)
	}
	if err := readAll(t, copied); err != nil {
		t.Errorf("read the checkpoint: %v", err)
	}
}

// I10: damage of a checkpoint is found before anything is put in the place of a state.
func TestADamagedCheckpointIsNotPutBack(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	copied := filepath.Join(root, "checkpoint")
	if err := db.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	tables, err := filepath.Glob(filepath.Join(copied, "memo", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v %v", tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(tables[0]); err != nil { // it may be linked to the state's own
		t.Fatal(err)
	}
	if err := os.WriteFile(tables[0], flip(data, len(data)/3), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := statestore.Open(copied, statestore.DBOptions{ReadOnly: true})
	if err == nil {
		err = errors.Join(kept.Checkpoint(filepath.Join(root, "restored")), kept.Close())
	}
	if !statestore.IsCorrupt(err) {
		t.Errorf("a damaged checkpoint is put back: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "restored")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a part of it is left: %v", err)
	}
}
