package statestore_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/statestore"
)

// crashed returns a copy of an open state as kill -9 leaves it, with logs that hold all rows.
func crashed(t *testing.T) string {
	t.Helper()
	fs := vfs.NewCrashableMem()
	db := openDB(t, fs, "state")
	for epoch := range 3 {
		b := db.State.NewBatch()
		for i := epoch; i < corruptRows; i += 3 {
			key, value := corruptRow(i)
			b.Put(key, value)
			if b.Count() == 10 && i+30 < corruptRows {
				if err := db.State.Commit(b, true); err != nil {
					t.Fatal(err)
				}
				b.Reset()
			}
		}
		if err := db.CommitEpoch(b, uint64(epoch+1)); err != nil {
			t.Fatal(err)
		}
	}
	copied := killed(t, fs)
	closeDB(t, db)
	return copied
}

// killed returns a directory with the files of an open state as kill -9 leaves them at this moment.
func killed(t *testing.T, fs *vfs.MemFS) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "killed")
	at := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	if ok, err := vfs.Clone(at, vfs.Default, "state", dir); !ok || err != nil {
		t.Fatalf("copy the killed state: %v %v", ok, err)
	}
	return dir
}

// newestLog returns the newest write-ahead log of the state and where its records end.
func newestLog(t *testing.T, dir string) (path string, data []byte, end int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "state", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %v %v", logs, err)
	}
	path = logs[len(logs)-1]
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data, len(bytes.TrimRight(data, "\x00"))
}

func TestATornLogAfterACrashIsAcceptedAndAFlipInItIsNot(t *testing.T) {
	dir := crashed(t)
	path, data, end := newestLog(t, dir)
	if end < 3*32<<10 {
		t.Fatalf("log of %d bytes: the test wants several blocks", end)
	}
	count := func(content []byte) (rows int, err error) {
		damaged := copyDir(t, dir)
		if err := os.WriteFile(filepath.Join(damaged, "state", filepath.Base(path)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := statestore.Open(damaged, statestore.DBOptions{MemoryBytes: 8 << 20, Fatal: unexpectedFatal(t)})
		if err != nil {
			return 0, err
		}
		from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
		err = db.State.Scan(from, to, func(_, _ []byte) error { rows++; return nil })
		return rows, errors.Join(err, db.Close())
	}
	if rows, err := count(data); err != nil || rows != corruptRows {
		t.Fatalf("undamaged: %d rows, %v", rows, err)
	}
	for cut := 1; cut < 3000; cut += 217 {
		rows, err := count(data[:end-cut])
		if err != nil || rows >= corruptRows || rows < corruptRows-40 {
			t.Errorf("torn %d bytes before the end: %d rows, %v; want all but the last commits", cut, rows, err)
		}
	}
	// The last block holds less than 32 KiB: damage in it is behind every block that could tell.
	last := end - end%(32<<10)
	for _, at := range []int{100, end / 3, end / 2, last + 40, (last + end) / 2, end - 4000, end - 3000} {
		rows, err := count(flip(data, at))
		var corrupt *statestore.CorruptError
		if !errors.As(err, &corrupt) || corrupt.File == "" || filepath.Base(corrupt.File) != filepath.Base(path) {
			t.Errorf("bit flipped at %d of %d: %d rows, %v; want a CorruptError that names %s", at, end, rows, err, filepath.Base(path))
		}
	}
}

func TestDamageAfterACrashIsNamed(t *testing.T) {
	dir := crashed(t)
	for _, pattern := range []string{"state/MANIFEST-*", "state/OPTIONS-*", "state/marker.*", "memo/MANIFEST-*"} {
		matches, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("%s: %v %v", pattern, matches, err)
		}
		for _, match := range matches {
			name, err := filepath.Rel(dir, match)
			if err != nil {
				t.Fatal(err)
			}
			for damage, change := range map[string]func(path string) error{
				"removed": os.Remove,
				"a bit flipped": func(path string) error {
					data, err := os.ReadFile(path)
					if err != nil || len(data) == 0 {
						return err
					}
					at := len(data) / 3
					if name := bytes.Index(data, []byte("freshet.v1")); name >= 0 {
						at = name // the one option that reading depends on
					}
					return os.WriteFile(path, flip(data, at), 0o600)
				},
			} {
				info, err := os.Stat(match)
				if err != nil {
					t.Fatal(err)
				}
				if info.Size() == 0 && damage != "removed" || strings.Contains(pattern, "OPTIONS") && damage == "removed" {
					continue // nothing to flip; Pebble opens without its old options and writes them anew
				}
				damaged := copyDir(t, dir)
				if err := change(filepath.Join(damaged, name)); err != nil {
					t.Fatal(err)
				}
				_, err = statestore.Open(damaged, statestore.DBOptions{MemoryBytes: 8 << 20, Fatal: unexpectedFatal(t)})
				var corrupt *statestore.CorruptError
				if !errors.As(err, &corrupt) || !strings.HasPrefix(filepath.Base(name), strings.TrimRight(filepath.Base(corrupt.File), "*")) {
					t.Errorf("%s %s: %v, want a CorruptError that names it", name, damage, err)
				}
			}
		}
	}
}

// TestAFlipInAManifestAfterACrashIsNamed: Pebble takes the first bad record of a MANIFEST for its torn
// end and goes on with the older set of tables, without a word about the newer ones (I10).
func TestAFlipInAManifestAfterACrashIsNamed(t *testing.T) {
	fs := vfs.NewCrashableMem()
	db := openDB(t, fs, "state")
	fill(t, db)
	copied := killed(t, fs)
	closeDB(t, db)
	manifests, err := filepath.Glob(filepath.Join(copied, "state", "MANIFEST-*"))
	if err != nil || len(manifests) != 1 {
		t.Fatalf("manifests %v %v", manifests, err)
	}
	data, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := readAll(t, copyDir(t, copied)); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	for at := 0; at < len(data)*2/3; at += len(data) / 20 {
		if err := os.WriteFile(manifests[0], flip(data, at), 0o600); err != nil {
			t.Fatal(err)
		}
		err := readAll(t, copyDir(t, copied))
		var corrupt *statestore.CorruptError
		if !errors.As(err, &corrupt) || filepath.Base(corrupt.File) != filepath.Base(manifests[0]) {
			t.Errorf("bit flipped at %d of %d: %v, want a CorruptError that names the MANIFEST", at, len(data), err)
		}
	}
}
