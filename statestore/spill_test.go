package statestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/statestore"
)

func spillRecords() [][]byte {
	return [][]byte{[]byte("first"), {}, bytes.Repeat([]byte{0xff}, 300<<10), {0}, []byte("last")}
}

// writeSpill closes a spill of the given records.
func writeSpill(t *testing.T, db *statestore.DB, records ...[]byte) uint64 {
	t.Helper()
	w, err := db.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

// scanSpill returns the lengths of the records from a position on and the position behind each.
func scanSpill(db *statestore.DB, id uint64, at int64) (lengths []int, nexts []int64, err error) {
	spill, err := db.OpenSpill(id)
	if err != nil {
		return nil, nil, err
	}
	err = spill.Scan(at, func(record []byte, next int64) error {
		lengths, nexts = append(lengths, len(record)), append(nexts, next)
		return nil
	})
	return lengths, nexts, err
}

func TestASpillIsReadFromEveryPositionThatItGave(t *testing.T) {
	db := openDB(t, vfs.NewMem(), "state")
	defer closeDB(t, db)
	id := writeSpill(t, db, spillRecords()...)
	want, nexts, err := scanSpill(db, id, statestore.SpillStart)
	if err != nil || len(want) != 5 {
		t.Fatalf("records of %v bytes, %v", want, err)
	}
	for i, at := range nexts {
		got, _, err := scanSpill(db, id, at)
		if diff := gocmp.Diff(append([]int{}, want[i+1:]...), append([]int{}, got...)); diff != "" || err != nil {
			t.Errorf("from position %d: %v (-want +got):\n%s", at, err, diff)
		}
	}
	var seen int
	spill, err := db.OpenSpill(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := spill.Scan(statestore.SpillStart, func([]byte, int64) error { seen++; return statestore.ErrStop }); err != nil || seen != 1 {
		t.Errorf("stopped scan saw %d records, %v", seen, err)
	}
}

func TestSpillsAreListedNumberedAndRemoved(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDB(t, fs, "state")
	first, second := writeSpill(t, db, []byte("a")), writeSpill(t, db, []byte("b"))
	unfinished, err := db.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := unfinished.Abort(); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)

	db = openDB(t, crashed, "state")
	defer closeDB(t, db)
	if ids, err := db.Spills(); err != nil || !gocmp.Equal(ids, []uint64{first, second}) {
		t.Fatalf("spills after a crash: %v %v, want the two that were closed", ids, err)
	}
	for _, id := range []uint64{first, second} {
		if lengths, _, err := scanSpill(db, id, statestore.SpillStart); err != nil || !gocmp.Equal(lengths, []int{1}) {
			t.Errorf("spill %d after a crash: records of %v bytes, %v", id, lengths, err)
		}
	}
	if err := errors.Join(db.RemoveSpill(first), db.RemoveSpill(first)); err != nil {
		t.Errorf("remove twice: %v", err)
	}
	if third := writeSpill(t, db); third <= second {
		t.Errorf("a new spill has number %d, not above %d", third, second)
	}
	if _, err := db.OpenSpill(first); !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("open of a spill that is gone: %v, want ErrCorrupt", err)
	}
}

func TestADamagedSpillIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	defer closeDB(t, db)
	id := writeSpill(t, db, []byte("one"), []byte("two"), []byte("one"), bytes.Repeat([]byte("x"), 100))
	path := filepath.Join(dir, "staged", fmt.Sprintf("%016x.stage", id))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := scanSpill(db, id, statestore.SpillStart)
		var corrupt *statestore.CorruptError
		if !errors.As(err, &corrupt) || corrupt.File != path {
			t.Errorf("%s: %v, want a CorruptError that names %s", what, err, path)
		}
	}
	for at := range data {
		check(fmt.Sprintf("bit flipped at %d", at), flip(data, at))
		check(fmt.Sprintf("cut to %d bytes", at), data[:at])
	}
	check("longer by a byte", append(bytes.Clone(data), 0))
	frame := 12 + 3
	start := int(statestore.SpillStart)
	moved := bytes.Clone(data)
	copy(moved[start:], data[start+frame:start+2*frame])
	copy(moved[start+frame:], data[start:start+frame])
	check("records swapped", moved)
}

func TestASpillOnAFullDiskIsAnErrorAndGone(t *testing.T) {
	fs := newFaultFS(vfs.NewMem(), syscall.ENOSPC, func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && filepath.Ext(op.Path) == ".stage"
	})
	db := openDB(t, fs, "state")
	defer closeDB(t, db)
	w, err := db.NewSpill()
	if err != nil {
		t.Fatal(err)
	}
	fs.on.Store(true)
	err = w.Append(make([]byte, 1<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append on a full disk: %v", err)
	}
	if err := w.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("close on a full disk: %v", err)
	}
	if ids, err := db.Spills(); err != nil || len(ids) != 0 {
		t.Errorf("spills %v %v, want none", ids, err)
	}
}

func FuzzSpill(f *testing.F) {
	f.Add([]byte("freshet stage 1\n"))
	f.Add([]byte("freshet stage 1\n\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x"))
	f.Add([]byte("freshet stage 1\n\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00\x00\x00x"))
	mem := vfs.NewMem()
	db, err := statestore.Open("state", statestore.DBOptions{FS: mem, MemoryBytes: 8 << 20})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	if err := mem.MkdirAll("state/staged", 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := mem.Create("state/staged/0000000000000001.stage", vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(file, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := scanSpill(db, 1, statestore.SpillStart); err != nil && !errors.Is(err, statestore.ErrCorrupt) {
			t.Errorf("scan of garbage: %v", err)
		}
	})
}
