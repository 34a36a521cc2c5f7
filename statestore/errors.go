package statestore

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Sentinels that callers branch on.
var (
	// ErrStop, returned by the function given to a scan, ends the scan early and without error.
	ErrStop = errors.New("stop scan")

	// ErrClosed is returned by every operation that begins after Close.
	ErrClosed = errors.New("store is closed")

	// ErrReadOnly is returned by every write to a store that was opened read-only.
	ErrReadOnly = errors.New("store is read-only")

	// ErrCorrupt is what every [CorruptError] is: errors.Is(err, ErrCorrupt) asks whether an
	// error means damaged files. The caller stops, keeps its sinks as they are, and says so.
	ErrCorrupt = errors.New("corrupt")

	// ErrNoState is returned when a directory that must hold a state holds none at all.
	ErrNoState = errors.New("no state here")
)

// Exit codes that a process ends with when the store cannot go on. They reach Options.Fatal.
const (
	ExitDisk    = 20 // a write or a sync failed: what was acknowledged is safe, nothing more can be
	ExitCorrupt = 21 // the files of the store are damaged
)

// CorruptError says that a file of the store is damaged or missing. It is never retried and never
// treated as an absence (I10).
type CorruptError struct {
	File string // path of the damaged file, or of the directory where the file cannot be told
	Err  error  // what is wrong with it
}

func (e *CorruptError) Error() string { return fmt.Sprintf("corrupt file %s: %v", e.File, e.Err) }

// Unwrap returns what is wrong with the file.
func (e *CorruptError) Unwrap() error { return e.Err }

// Is reports that a CorruptError is [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Hint says what a user can do.
func (e *CorruptError) Hint() string {
	return "put a checkpoint back with `freshet restore <flow> DIR`, which keeps what is there aside; or begin anew: " +
		"`freshet drop <flow> --yes`, and the next run derives everything again from the sources"
}

// IsCorrupt reports whether err means damaged files, whether the error is ours or Pebble's own.
func IsCorrupt(err error) bool {
	return err != nil && (errors.Is(err, ErrCorrupt) || pebble.IsCorruptionError(err))
}

// InUseError says that another process, or another open in this one, holds the directory. The lock
// dies with its holder, kill -9 included.
type InUseError struct {
	Path string // the directory
	Err  error  // what the lock said
}

func (e *InUseError) Error() string { return fmt.Sprintf("%s is in use: %v", e.Path, e.Err) }

// Unwrap returns what the lock said.
func (e *InUseError) Unwrap() error { return e.Err }

// Hint says what a user can do.
func (e *InUseError) Hint() string {
	return "stop the process that runs on this state, or give this one a state directory of its own"
}

// VersionError says that the state was written by a newer program. Nothing has been touched.
type VersionError struct {
	Path      string // the VERSION file
	Found     uint64 // format of the state
	Supported uint64 // newest format that this program reads
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("state format %d in %s is newer than %d, the newest this program reads",
		e.Found, e.Path, e.Supported)
}

// Hint says what a user can do.
func (e *VersionError) Hint() string {
	return fmt.Sprintf("run a freshet that reads state format %d, or restore a checkpoint taken before the upgrade", e.Found)
}

// StalledError says that writes wait for background work which keeps failing, as on a full disk.
type StalledError struct {
	Path string        // the store's directory
	For  time.Duration // how long writes have waited
	Err  error         // the newest background error
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("writes to %s have waited %s: %v", e.Path, e.For.Round(time.Millisecond), e.Err)
}

// Unwrap returns the newest background error.
func (e *StalledError) Unwrap() error { return e.Err }

// Hint says what a user can do.
func (e *StalledError) Hint() string {
	return "free space on the disk: writes go on by themselves; ending the process loses nothing that was acknowledged"
}
