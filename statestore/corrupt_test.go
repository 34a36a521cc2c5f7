package statestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/freshet/freshet/statestore"
)

const corruptRows = 3000

func corruptRow(i int) (key, value []byte) {
	return ownerKey(fmt.Sprintf("row %05d", i)), bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 60)
}

// fill commits corruptRows rows in three epochs and flushes between them, so that every class of
// file is there and has something in it.
func fill(t *testing.T, db *statestore.DB) {
	t.Helper()
	for epoch := range 3 {
		b := db.State.NewBatch()
		var entries []statestore.Entry
		for i := epoch; i < corruptRows; i += 3 {
			key, value := corruptRow(i)
			switch {
			case i%500 == 1:
				value = bytes.Repeat(value, 170) // is kept apart from its key by either part
			case i%2 == 0:
				value = bytes.Repeat(value, 6) // by the memo
			}
			b.Put(key, value)
			entries = append(entries, statestore.Entry{Fingerprint: statestore.Fingerprint{byte(i), byte(i >> 8), 7}, Value: value})
		}
		if err := db.Memo.Put(entries); err != nil {
			t.Fatal(err)
		}
		if err := db.CommitEpoch(b, uint64(epoch+1)); err != nil {
			t.Fatal(err)
		}
		if err := db.State.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll opens the state, reads all of it and checks that nothing is missing: what an engine would
// see of a damaged directory.
func readAll(t *testing.T, dir string) (err error) {
	t.Helper()
	db, err := statestore.Open(dir, statestore.DBOptions{MemoryBytes: 8 << 20, Fatal: unexpectedFatal(t)})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	return scanAll(db)
}

var errMissing = errors.New("rows are missing and nothing said so")

func scanAll(db *statestore.DB) error {
	rows, entries := 0, 0
	from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
	if err := db.State.Scan(from, to, func(_, _ []byte) error { rows++; return nil }); err != nil {
		return err
	}
	for i := range corruptRows {
		_, ok, err := db.Memo.Get(statestore.Fingerprint{byte(i), byte(i >> 8), 7})
		if err != nil {
			return err
		}
		if ok {
			entries++
		}
	}
	if rows != corruptRows || entries != corruptRows || db.DurableEpoch() != 3 {
		return fmt.Errorf("%w: %d rows, %d entries, epoch %d", errMissing, rows, entries, db.DurableEpoch())
	}
	return nil
}

// files returns every file below dir that damage could matter in, relative to dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "LOCK" { // a lock file is empty and stays so
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// holdsRows reports whether a file is a table, or has values of one.
func holdsRows(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// damages are ways in which a file of n bytes is damaged; each returns the new content, or nil for a
// file that is gone.
var damages = map[string]func(data []byte) []byte{
	"a bit flipped at the start":  func(d []byte) []byte { return flip(d, len(d)/100) },
	"a bit flipped in the middle": func(d []byte) []byte { return flip(d, len(d)/2) },
	"a bit flipped at the end":    func(d []byte) []byte { return flip(d, len(d)-1) },
	"cut to half":                 func(d []byte) []byte { return d[:len(d)/2] },
	"cut by a byte":               func(d []byte) []byte { return d[:max(len(d)-1, 0)] },
	"zeros from the middle on":    func(d []byte) []byte { return append(bytes.Clone(d[:len(d)/2]), make([]byte, len(d)-len(d)/2)...) },
	"longer by a byte":            func(d []byte) []byte { return append(bytes.Clone(d), 'x') },
	"removed":                     func([]byte) []byte { return nil },
}

func flip(d []byte, at int) []byte {
	d = bytes.Clone(d)
	if len(d) > 0 {
		d[at] ^= 0x10
	}
	return d
}

var digits = regexp.MustCompile(`\d+`)

// TestDamageAfterACleanCloseIsNamed proves I10 for every file of a state that was closed cleanly:
// whatever happens to it, opening and reading everything says which file is damaged, or the damage
// was where nothing is kept and all rows are there.
func TestDamageAfterACleanCloseIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	if err := readAll(t, copyDir(t, dir)); err != nil {
		t.Fatalf("a copy of a closed state must serve as well as the original: %v", err)
	}
	unharmed := map[string]int{}
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for damage, change := range damages {
			changed := change(data)
			if changed != nil && bytes.Equal(changed, data) {
				continue
			}
			if name == "VERSION" && changed == nil || strings.HasSuffix(name, "SEAL") && changed == nil {
				continue // has its own test
			}
			damaged := copyDir(t, dir)
			path := filepath.Join(damaged, name)
			if changed == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, changed, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = readAll(t, damaged)
			var corrupt *statestore.CorruptError
			switch {
			case err == nil && holdsRows(name):
				unharmed[digits.ReplaceAllString(name, "N")+" "+damage]++
			case !errors.As(err, &corrupt):
				t.Errorf("%s, %s: %v, want a CorruptError", name, damage, err)
			case filepath.Base(corrupt.File) != filepath.Base(name):
				t.Errorf("%s, %s: blames %s: %v", name, damage, corrupt.File, err)
			case !errors.Is(err, statestore.ErrCorrupt) || !statestore.IsCorrupt(err):
				t.Errorf("%s, %s: %v is not ErrCorrupt", name, damage, err)
			}
		}
	}
	t.Logf("damage that reading all rows does not meet (bloom filters, properties): %v", unharmed)
}

func TestAStateWithoutItsVersionOrItsDatabaseIsDamaged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	for _, part := range []string{"VERSION", "state", "memo"} {
		damaged := copyDir(t, dir)
		if err := os.RemoveAll(filepath.Join(damaged, part)); err != nil {
			t.Fatal(err)
		}
		err := readAll(t, damaged)
		var corrupt *statestore.CorruptError
		if !errors.As(err, &corrupt) || filepath.Base(corrupt.File) != part {
			t.Errorf("without %s: %v, want a CorruptError that names it", part, err)
		}
	}
}

func TestANewerStateIsRefusedUntouched(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	closeDB(t, openDB(t, nil, dir))
	newer := []byte("12\n")
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	_, err := statestore.Open(dir, statestore.DBOptions{})
	var version *statestore.VersionError
	if !errors.As(err, &version) || version.Found != 12 || version.Supported != statestore.Format || filepath.Base(version.Path) != "VERSION" {
		t.Fatalf("open: %v, want a VersionError for 12", err)
	}
	if !strings.Contains(version.Hint(), "12") {
		t.Errorf("hint %q does not name the format", version.Hint())
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("the refused state changed:\n%s\nwas\n%s", after, before)
	}
}

// snapshot describes every file below dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	for _, name := range files(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %d %s %x\n", name, len(data), info.ModTime(), data[:min(len(data), 16)])
	}
	return out.String()
}

// TestEveryBitOfATableIsWatchedOrIdle flips bits all through the tables: I10, reading all rows gives
// all of them or the name of the table.
func TestEveryBitOfATableIsWatchedOrIdle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	seen, idle, apart := 0, 0, map[string]int{}
	for _, name := range files(t, dir) {
		if !holdsRows(name) {
			continue
		}
		apart[filepath.Ext(name)]++
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 7; at < len(data); at += max(len(data)/16, 1) {
			sealed := copyDir(t, dir)
			if err := os.WriteFile(filepath.Join(sealed, name), flip(data, at), 0o600); err != nil {
				t.Fatal(err)
			}
			err := readAll(t, sealed)
			var corrupt *statestore.CorruptError
			switch {
			case err == nil:
				idle++
			case errors.As(err, &corrupt) && filepath.Base(corrupt.File) == filepath.Base(name):
				seen++
			default:
				t.Errorf("%s, bit at %d: %v", name, at, err)
			}
		}
	}
	t.Logf("%d flips named, %d met nothing that reading needs", seen, idle)
	if apart[".blob"] < 2 {
		t.Errorf("the state has %v: no values are kept apart", apart)
	}
	if seen < 20 {
		t.Errorf("only %d flips were met: the test damages nothing", seen)
	}
}

// TestAReadOfADamagedTableIsNoAbsence: I10, a point read that meets damage is an error, never a miss.
func TestAReadOfADamagedTableIsNoAbsence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	tables, err := filepath.Glob(filepath.Join(dir, "*", "*.sst"))
	if err != nil || len(tables) < 2 {
		t.Fatalf("tables %v %v", tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(data)*3/4; at += 200 { // every block of data
			data[at] ^= 0x10
		}
		if err := os.WriteFile(table, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, _ := corruptRow(5)
	fp := statestore.Fingerprint{5, 0, 7}
	for part, key := range map[string][]byte{"state": key, "memo": fp[:]} {
		for name, read := range map[string]func(s *statestore.Store) (bool, error){
			"get": func(s *statestore.Store) (bool, error) { _, ok, err := s.Get(key); return ok, err },
			"has": func(s *statestore.Store) (bool, error) { return s.Has(key) },
			"sorted get": func(s *statestore.Store) (found bool, err error) {
				err = s.GetSorted([][]byte{key}, func(_ int, _ []byte, ok bool) error { found = ok; return nil })
				return found, err
			},
		} {
			s, err := statestore.OpenStore(filepath.Join(copyDir(t, dir), part), statestore.Options{
				OpaqueKeys: part == "memo", Fatal: unexpectedFatal(t),
			})
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := read(s); ok || !errors.Is(err, statestore.ErrCorrupt) {
				t.Errorf("%s from a damaged table of %s: %v %v, want ErrCorrupt", name, part, ok, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestOnceDamageIsSeenTheStoreAnswersNothing proves that no read of a damaged store can drive a
// delete, and no write goes on top of it (I10).
func TestOnceDamageIsSeenTheStoreAnswersNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	fill(t, db)
	closeDB(t, db)
	tables, err := filepath.Glob(filepath.Join(dir, "state", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables %v %v", tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(table, flip(data, len(data)/10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db = openDB(t, nil, dir)
	from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
	if err := db.State.Scan(from, to, func(_, _ []byte) error { return nil }); !statestore.IsCorrupt(err) {
		t.Fatalf("scan of a damaged table: %v", err)
	}
	key, _ := corruptRow(1)
	if _, _, err := db.State.Get(key); !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("get after damage was seen: %v", err)
	}
	err = db.State.GetSorted([][]byte{key}, func(int, []byte, bool) error { return nil })
	if !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("sorted get after damage was seen: %v", err)
	}
	if err := db.CommitEpoch(db.State.NewBatch(), 99); !errors.Is(err, statestore.ErrCorrupt) || db.DurableEpoch() != 3 {
		t.Errorf("commit after damage was seen: %v, durable epoch %d", err, db.DurableEpoch())
	}
	if err := db.State.Err(); !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("Err: %v", err)
	}
	if err := db.Checkpoint(filepath.Join(t.TempDir(), "checkpoint")); !errors.Is(err, statestore.ErrCorrupt) {
		t.Errorf("checkpoint after damage was seen: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "SEAL")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged store was sealed: %v", err)
	}
}
