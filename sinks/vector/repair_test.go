package vector_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
	"github.com/freshet/freshet/statestore"
)

const snapshotPath = "index/codes.snapshot"

func readAll(t *testing.T, fsys vfs.FS, path string) []byte {
	t.Helper()
	f, err := fsys.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAll(t *testing.T, fsys vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Clone(b)); err != nil { // a file system of tests may scribble over what it was given
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// saved returns a file system with a closed index of n rows, its snapshot and what the index holds.
func saved(t *testing.T, n int, o vector.Options) (*vfs.MemFS, map[string]string) {
	t.Helper()
	fsys := vfs.NewMem()
	x := open(t, fsys, o)
	fill(t, x, vectortest.New(1, o.Dims, vectortest.Hard).Take(n))
	if o.IVFRows > 0 {
		if err := x.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := dump(t, x)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.Stat(snapshotPath); err != nil {
		t.Fatalf("no codes snapshot after a close: %v", err)
	}
	return fsys, want
}

// notTaken opens and closes an index beside a snapshot that is of no use: it is said, and the rows are there.
func notTaken(t *testing.T, fsys *vfs.MemFS, o vector.Options, snapshot []byte, name, said string, want map[string]string) {
	t.Helper()
	writeAll(t, fsys, snapshotPath, snapshot)
	var log strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	x := open(t, fsys, o)
	if diff := cmp.Diff(want, dump(t, x)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	if !strings.Contains(log.String(), said) {
		t.Errorf("%s: the log says %q, want %q", name, log.String(), said)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestADamagedSnapshotIsSaidAndRebuilt flips a bit, cuts and lengthens the codes snapshot, wherever it may be.
func TestADamagedSnapshotIsSaidAndRebuilt(t *testing.T) { // I10
	o := vector.Options{Dims: 8, IVFRows: 1000}
	fsys, want := saved(t, 3000, o)
	whole := readAll(t, fsys, snapshotPath)
	damage := map[string][]byte{
		"empty":              nil,
		"one byte longer":    append(bytes.Clone(whole), 0),
		"doubled":            append(bytes.Clone(whole), whole...),
		"its end is missing": whole[:len(whole)-1],
	}
	places := 20
	if testing.Short() {
		places = 6
	}
	step := len(whole)/places + 1
	for at := 0; at < len(whole); at += step {
		damage[fmt.Sprintf("cut at %d", at)] = whole[:at]
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		damage[fmt.Sprintf("bit flipped at %d", at)] = flipped
	}
	for name, b := range damage {
		notTaken(t, fsys, o, b, name, "ignoring codes snapshot", want)
		// Close has replaced it.
		if readAll(t, fsys, snapshotPath)[0] != whole[0] {
			t.Errorf("%s: the snapshot was not replaced", name)
		}
	}
}

func TestAForeignOrStaleSnapshotIsNotTaken(t *testing.T) {
	o := vector.Options{Dims: 8, IVFRows: -1}
	mine, want := saved(t, 2500, o)
	other, _ := saved(t, 2400, o)
	old := readAll(t, mine, snapshotPath)
	x := open(t, mine, o)
	_, epoch, _ := x.Progress()
	for i := range 2500 { // enough for the next close to cut the log
		epoch++
		if i%500 == 0 {
			apply(t, x, vector.Txn{Epoch: epoch, Upserts: []vector.Upsert{up(fmt.Sprint(i), epoch, "newer", 1, 2, 3, 4, 5, 6, 7, 8)}})
			want[fmt.Sprint(i)] = fmt.Sprintf("%d newer", epoch)
		}
	}
	src := vectortest.New(9, 8, vectortest.Hard)
	for i := range 2500 {
		epoch++
		key := fmt.Sprint("more", i)
		apply(t, x, vector.Txn{Epoch: epoch, Upserts: []vector.Upsert{up(key, epoch, "more", src.Next()...)}})
		want[key] = fmt.Sprintf("%d more", epoch)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"of another index": readAll(t, other, snapshotPath), "from before the log was cut": old} {
		notTaken(t, mine, o, b, name, "another index or format", want)
	}
}

// TestTheTailAfterASnapshotIsRead crashes after a snapshot and some transactions more.
func TestTheTailAfterASnapshotIsRead(t *testing.T) {
	fsys := vfs.NewCrashableMem()
	o := vector.Options{Dims: 8, IVFRows: 1000}
	x := open(t, fsys, o)
	src := vectortest.New(1, 8, vectortest.Hard)
	fill(t, x, src.Take(3000))
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, fsys, o)
	_, epoch, _ := x.Progress()
	for i := range 100 {
		epoch++
		apply(t, x, vector.Txn{
			Epoch: epoch, Upserts: []vector.Upsert{up(fmt.Sprint(i*7), epoch, "tail", src.Next()...), up(fmt.Sprint("new", i), epoch, "tail", src.Next()...)},
			Deletes: []vector.Delete{del(fmt.Sprint(i*7+1), epoch)},
		})
	}
	want := dump(t, x)
	var log strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	y := open(t, fsys.CrashClone(vfs.CrashCloneCfg{}), o)
	if diff := cmp.Diff(want, dump(t, y)); diff != "" {
		t.Errorf("after a crash (-want +got):\n%s", diff)
	}
	if st := y.Stats(); strings.Contains(log.String(), "ignoring") || st.Lists < 2 || st.Unsaved != 300 {
		t.Errorf("the snapshot was not used: %s %+v", log.String(), st)
	}
	report, err := y.Audit(t.Context(), 200)
	if err != nil || report.Unreachable != 0 || report.Recall < 0.99 {
		t.Errorf("audit after a crash: %+v %v", report, err)
	}
}

// TestDamageOfTheTruthIsNeverAnEmptyResult flips bytes in every file of the store of a closed index. (I10)
func TestDamageOfTheTruthIsNeverAnEmptyResult(t *testing.T) {
	o := vector.Options{Dims: 8, IVFRows: -1}
	fsys, want := saved(t, 2500, o)
	names, err := fsys.List("index/truth")
	if err != nil {
		t.Fatal(err)
	}
	caught := 0
	for _, name := range names {
		path := "index/truth/" + name
		whole := readAll(t, fsys, path)
		if len(whole) == 0 || name == "LOCK" {
			continue
		}
		for _, at := range []int{len(whole) / 3, len(whole) - 1} {
			for _, snapshot := range []bool{true, false} {
				clone := copyFS(t, fsys)
				if !snapshot {
					if err := clone.Remove(snapshotPath); err != nil {
						t.Fatal(err)
					}
				}
				b := bytes.Clone(whole)
				b[at] ^= 0x55
				writeAll(t, clone, path, b)
				if checkDamaged(t, fmt.Sprintf("%s at %d, snapshot %v", name, at, snapshot), clone, o, want) {
					caught++
				}
			}
		}
	}
	if caught < 4 {
		t.Errorf("only %d damages were caught", caught)
	}
}

// checkDamaged opens an index whose store is damaged: either everything is there, or the error says corrupt.
func checkDamaged(t *testing.T, name string, fsys vfs.FS, o vector.Options, want map[string]string) (caught bool) {
	t.Helper()
	o.FS = fsys
	o.Fatal = func(code int, err error) { panic(fmt.Sprint(code, err)) }
	x, err := vector.Open("index", o)
	if err == nil {
		defer x.Close()
		v := x.View()
		defer v.Close()
		got := map[string]string{}
		err = v.Scan(t.Context(), func(k []byte, version uint64, p []byte) error {
			got[string(k)] = fmt.Sprintf("%d %s", version, p)
			return nil
		})
		if err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: rows are missing and nothing was said", name)
			}
			return false
		}
	}
	var damage *statestore.CorruptError
	if !errors.As(err, &damage) || damage.File == "" {
		t.Errorf("%s: got %v, want a CorruptError that names a file", name, err)
	}
	return true
}

// copyFS copies the files of an index.
func copyFS(t *testing.T, from vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	for _, dir := range []string{"index", "index/truth"} {
		if err := to.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		names, err := from.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := from.Stat(dir + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			} else if err == nil && !info.IsDir() {
				writeAll(t, to, dir+"/"+name, readAll(t, from, dir+"/"+name))
			}
		}
	}
	return to
}

func TestTombstonesAreSweptWhenNoReplayCanConcernThem(t *testing.T) {
	fsys := vfs.NewMem()
	o := vector.Options{Dims: 2, TombstoneTxns: 100}
	x := open(t, fsys, o)
	for epoch := uint64(1); epoch <= 300; epoch++ {
		key := fmt.Sprint(epoch)
		apply(t, x, vector.Txn{Epoch: epoch, Deletes: []vector.Delete{del(key, epoch)}})
	}
	apply(t, x, vector.Txn{Epoch: 301, Upserts: []vector.Upsert{up("7", 301, "back", 1, 0)}})
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 301 transactions: those up to 200 are more than 100 behind, one tombstone of the rest has come back to life.
	if got := x.Stats().Tombstones; got != 100 {
		t.Fatalf("%d tombstones, want 100", got)
	}
	apply(t, x, vector.Txn{Epoch: 302, Upserts: []vector.Upsert{up("250", 249, "late", 1, 0), up("50", 302, "new", 1, 0)}})
	if diff := cmp.Diff(map[string]string{"7": "301 back", "50": "302 new"}, dump(t, x)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, fsys, o) // counts are checked at open
	if got := x.Stats().Tombstones; got != 100 {
		t.Errorf("%d tombstones after reopening, want 100", got)
	}
}

func TestGrowthBeyondTheMemoryBudgetIsRefusedWhole(t *testing.T) { // I9
	o := vector.Options{Dims: 64, MemoryBytes: 8 << 20}
	x := open(t, vfs.NewMem(), o)
	src := vectortest.New(1, 64, vectortest.Noise)
	var full *vector.MemoryError
	epoch, rows := uint64(0), 0
	for full == nil {
		epoch++
		txn := vector.Txn{Epoch: epoch}
		for range 500 {
			txn.Upserts = append(txn.Upserts, up(fmt.Sprint(rows+len(txn.Upserts)), epoch, "", src.Next()...))
		}
		if err := x.Apply(t.Context(), &txn); err == nil {
			rows += 500
		} else if !errors.As(err, &full) {
			t.Fatal(err)
		}
		if rows > 1_000_000 {
			t.Fatal("no bound")
		}
	}
	if st := x.Stats(); x.Len() != rows || st.RowBytes > 4<<20 || st.RowBytes < 2<<20 || full.Hint() == "" {
		t.Fatalf("%d rows of %d, %+v, %v", x.Len(), rows, st, full)
	}
	if each, told := float64(x.Stats().RowBytes)/float64(rows), 64*1.7+100; each > told || each < 0.8*told {
		t.Errorf("a row takes %.0f bytes, and the hint says %.0f", each, told)
	}
	txn := vector.Txn{Epoch: epoch}
	for i := range 1000 {
		txn.Upserts = append(txn.Upserts, up(fmt.Sprint(i), epoch, "again", src.Next()...))
		txn.Deletes = append(txn.Deletes, del(fmt.Sprint(1000+i), epoch))
	}
	apply(t, x, txn) // replacing and deleting go on
	if x.Len() != rows-1000 {
		t.Errorf("%d rows after deleting 1000 of %d", x.Len(), rows)
	}
}
