package statestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/blob"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// inspect looks at the files of a database before Pebble does: against the seal after a clean
// close, for damage that no torn write explains after a crash. A missing directory is no damage.
func inspect(fs vfs.FS, dir string, opts *pebble.Options) error {
	if sealed, err := checkSeal(fs, dir); sealed || err != nil {
		return err
	}
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	manifest := currentManifest(names)
	if manifest == "" {
		return inspectUnmarked(fs, dir, names)
	}
	if err := inspectOptions(fs, dir, names, opts); err != nil {
		return err
	}
	if err := inspectLog(fs, fs.PathJoin(dir, manifest), manifestLog, 0); err != nil {
		return err
	}
	for _, name := range names {
		number, isLog := strings.CutSuffix(name, ".log")
		if !isLog {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			continue
		}
		if err := inspectLog(fs, fs.PathJoin(dir, name), writeAheadLog, uint32(n)); err != nil {
			return err
		}
	}
	return nil
}

// survive makes an error of Pebble's panic over a file of values whose end is damaged, for which it has no name yet.
func (s *Store) survive(err *error) {
	r := recover()
	if r == nil {
		return
	}
	names, _ := s.fs.List(s.dir)
	for _, name := range names {
		if strings.HasSuffix(name, valuesExt) {
			if fault := inspectValues(s.fs, s.fs.PathJoin(s.dir, name)); IsCorrupt(fault) {
				*err = s.failed("read", fault)
				return
			}
		}
	}
	panic(r)
}

// inspectValues reads the end of a file of values.
func inspectValues(fs vfs.FS, path string) error {
	f, err := fs.Open(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", path, err), f.Close())
	}
	r, err := blob.NewFileReader(context.Background(), readable, blob.FileReaderOptions{})
	if err != nil {
		return &CorruptError{File: path, Err: flatten(errors.Join(err, readable.Close()))}
	}
	return r.Close()
}

// inspectUnmarked tells a database whose making was cut short, which Pebble makes again, from one
// that lost the marker naming its MANIFEST, which Pebble would make again too: over the data.
func inspectUnmarked(fs vfs.FS, dir string, names []string) error {
	for _, name := range names {
		if strings.HasSuffix(name, ".log") || holdsRows(name) {
			return &CorruptError{
				File: fs.PathJoin(dir, markerPrefix+"*"),
				Err:  fmt.Errorf("missing, but %s is there", name),
			}
		}
	}
	return nil
}

// markerPrefix begins the name of the empty file whose name says which MANIFEST is current:
// marker.manifest.<number>.<manifest>. The greatest number counts.
const markerPrefix = "marker.manifest."

func currentManifest(names []string) string {
	var best uint64
	var current string
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, markerPrefix)
		if !ok {
			continue
		}
		number, manifest, _ := strings.Cut(rest, ".")
		if n, err := strconv.ParseUint(number, 10, 64); err == nil && (n >= best || current == "") {
			best, current = n, manifest
		}
	}
	return current
}

// inspectOptions checks the OPTIONS files, which are written whole or not at all.
func inspectOptions(fs vfs.FS, dir string, names []string, opts *pebble.Options) error {
	for _, name := range names {
		if !strings.HasPrefix(name, "OPTIONS-") {
			continue
		}
		path := fs.PathJoin(dir, name)
		data, err := readFile(fs, path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if err := opts.CheckCompatibility(dir, string(data)); err != nil {
			return &CorruptError{File: path, Err: flatten(err)}
		}
	}
	return nil
}

// fileInError finds the file that an error of Pebble is about. Pebble names tables, logs and
// options by path, by name or only by number, depending on where it notices.
var fileInError = []struct {
	pattern *regexp.Regexp
	name    string // with the first group of the match in place of $1; without extension: of a table or of values
}{
	{regexp.MustCompile(`(\d{6,}\.(?:sst|log|blob))`), "$1"},
	{regexp.MustCompile(`(MANIFEST-\d{6,}|OPTIONS-\d{6,})`), "$1"},
	{regexp.MustCompile(`replaying wal (\d+)`), "$1.log"},
	{regexp.MustCompile(`L\d: (\d{6,})`), "$1"},
	{regexp.MustCompile(`file (\d{6,})`), "$1"},
}

var sizeMismatch = regexp.MustCompile(`object size mismatch`)

// asDamage returns the damage that an error from opening or reading means, or nil for an error of
// another kind.
func asDamage(fs vfs.FS, dir string, err error) *CorruptError {
	var ours *CorruptError
	if errors.As(err, &ours) {
		return ours
	}
	if errors.Is(err, pebble.ErrDBNotPristine) {
		return &CorruptError{File: fs.PathJoin(dir, "marker.format-version.*"), Err: errors.New("missing")}
	}
	text := fmt.Sprintf("%+v", err)
	if !IsCorrupt(err) && !errors.Is(err, os.ErrNotExist) && !sizeMismatch.MatchString(text) {
		return nil
	}
	file := dir
	for _, f := range fileInError {
		if m := f.pattern.FindStringSubmatchIndex(text); m != nil {
			file = fs.PathJoin(dir, string(f.pattern.ExpandString(nil, f.name, text, m)))
			if strings.Trim(fs.PathBase(file), "0123456789") == "" {
				file = ofRows(fs, file)
			}
			break
		}
	}
	return &CorruptError{File: file, Err: flatten(err)}
}

// ofRows completes the path of a file that holds rows or values, of which only the number is known.
func ofRows(fs vfs.FS, path string) string {
	if _, err := fs.Stat(path + valuesExt); err == nil {
		return path + valuesExt
	}
	return path + tableExt
}
