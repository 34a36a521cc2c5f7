package files

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"github.com/freshet/freshet/internal/realpath"
)

// Defaults of [Options].
const (
	DefaultMaxSize   = 64 << 20
	DefaultReconcile = 10 * time.Minute
	DefaultMaxDelete = 0.5
)

// maxMaxSize keeps a row that carries a file twice, as content and as text, below the 4 GiB of a batch.
const maxMaxSize = 1 << 30

// Options say which files are rows and how changes are noticed. The zero value of a field is its default.
type Options struct {
	Path string // the folder; must be given

	// Include and Exclude are doublestar globs on the path relative to the folder, with /. A file is a
	// row when an include matches it (none given: every file) and no exclude does.
	Include, Exclude []string

	MaxSize int64 // bytes; a larger file is rejected (default 64 MiB)

	// Poll above zero compares the folder at this interval and leaves the system's notices alone, for
	// file systems that give none (network mounts).
	Poll time.Duration
	// Reconcile is how often the folder is compared although notices are at work (default 10 min).
	Reconcile time.Duration

	// MaxDelete is the share of the known files that a comparison may find gone; beyond it nothing is
	// deleted (default 0.5; 1 allows all). Deletes that notices tell are not counted.
	MaxDelete float64
	// AcceptDeletes lets the first comparison of a run delete any number.
	AcceptDeletes bool

	Logger *slog.Logger // nil discards
}

// Source reads one folder. It is safe for concurrent use.
type Source struct {
	options Options
	filter  filter
}

// New checks the options, without looking at the disk. The error joins an [*cdc.OptionError] for each that
// is wrong.
func New(o Options) (*Source, error) {
	filter, err := newFilter(o.Include, o.Exclude)
	faults := []error{err}
	wrong := func(option, hint, format string, args ...any) {
		faults = append(faults, &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint})
	}
	if o.Path == "" {
		wrong("path", "name the folder, such as path: ./docs", "no folder is named")
	}
	if o.MaxSize < 0 || o.MaxSize > maxMaxSize {
		wrong("max_size", "choose a size up to 1GiB", "%d bytes are out of range", o.MaxSize)
	}
	if o.Poll < 0 {
		wrong("poll", "choose an interval such as 5s", "%v is negative", o.Poll)
	}
	if o.Reconcile < 0 {
		wrong("reconcile", "choose an interval such as 10m", "%v is negative", o.Reconcile)
	}
	if !(o.MaxDelete >= 0 && o.MaxDelete <= 1) {
		wrong("max_delete", "choose a share between 0 and 1, such as 0.5", "%v is no share", o.MaxDelete)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Reconcile == 0 {
		o.Reconcile = DefaultReconcile
	}
	if o.MaxDelete == 0 {
		o.MaxDelete = DefaultMaxDelete
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{options: o, filter: filter}, nil
}

// Omit leaves out files and directories, with all that lies below, that whoever reads the folder writes there: without it each change
// of them would be read, and make the next. Paths that do not lie in the folder say nothing. It is called before Run.
func (s *Source) Omit(paths ...string) {
	root := realpath.Of(s.options.Path)
	for _, path := range paths {
		rel, err := filepath.Rel(root, realpath.Of(path))
		if err == nil && rel != "." && filepath.IsLocal(rel) {
			s.filter.own = append(s.filter.own, filepath.ToSlash(rel))
		}
	}
}

// Collections is the one collection of the folder. A folder that cannot be read is a
// [*cdc.SourceError] of code path_unreadable.
func (s *Source) Collections(context.Context) ([]cdc.Collection, error) {
	root, _, err := s.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return []cdc.Collection{{Schema: blob.Schema()}}, nil
}

// Run puts the files of the folder and then their changes; see the contract in package stream. It
// returns a [*cdc.SourceError] of code path_unreadable when the folder cannot be read at the start,
// and one of code data_guard, wrapping [cdc.ErrGap], when the first comparison would delete too much.
// Later on both are told as problems while it keeps trying.
func (s *Source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	r, err := newRun(s, start, out)
	if err != nil {
		return err
	}
	if err = r.loop(ctx); ctx.Err() != nil {
		return nil // whatever broke off did so because it was told to
	}
	return err
}

// Describe writes a position in decimal: the number of transactions so far.
func (s *Source) Describe(p cdc.Position) string { return blob.Describe(p) }

// Rescans reports that the files can be read again at any time.
func (s *Source) Rescans() bool { return true }

// open opens the folder and makes sure that it can be listed.
func (s *Source) open() (*os.Root, os.FileInfo, error) {
	root, err := os.OpenRoot(s.options.Path)
	if err != nil {
		return nil, nil, s.unreadable(err)
	}
	info, err := root.Stat(".")
	if err == nil {
		err = listable(root)
	}
	if err != nil {
		root.Close()
		return nil, nil, s.unreadable(err)
	}
	return root, info, nil
}

func (s *Source) unreadable(err error) error {
	return &cdc.SourceError{
		Code: "path_unreadable",
		Err:  fmt.Errorf("open folder %s: %w", s.options.Path, cause(err)),
		Hint: "check that the folder exists, is mounted, and may be read by this process: ls -ld " + s.options.Path,
	}
}

// cause strips the operation and the path that the caller names itself.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// ParsePosition implements stream.Parser: it reads what Describe writes.
func (s *Source) ParsePosition(text string) (cdc.Position, error) { return blob.ParsePosition(text) }
