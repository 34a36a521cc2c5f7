package statestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLog is Pebble's logger. Pebble reports a failed write or fsync through Fatalf and, if
// Fatalf returned, would tell the caller of the commit that it is durable. So Fatalf never returns.
type pebbleLog struct {
	log   *slog.Logger
	fatal func(code int, err error)
}

var _ pebble.Logger = pebbleLog{}

func (l pebbleLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("pebble", "text", fmt.Sprintf(format, args...))
}

func (l pebbleLog) Fatalf(format string, args ...any) {
	l.die(&saidError{said: "write state: " + fmt.Sprintf(format, args...), args: args}, args...)
}

// saidError is what Pebble has said in its own words, of errors that a hint may depend on.
type saidError struct {
	said string
	args []any
}

func (e *saidError) Error() string { return e.said }

// Unwrap gives the errors among what was said.
func (e *saidError) Unwrap() (causes []error) {
	for _, a := range e.args {
		if err, ok := a.(error); ok {
			causes = append(causes, err)
		}
	}
	return causes
}

// die ends the process. I2: an epoch whose sync failed is never taken for durable.
func (l pebbleLog) die(err error, causes ...any) {
	code := ExitDisk
	for _, c := range causes {
		if cause, ok := c.(error); ok && IsCorrupt(cause) {
			code = ExitCorrupt
		}
	}
	l.fatal(code, err)
	// A Fatal that returns would turn a failed fsync into a success.
	panic(errors.Join(errors.New("statestore: Options.Fatal returned"), err))
}

// exit is the default of Options.Fatal.
func exit(code int, err error) {
	hint := "check the disk and the kernel log; start again once it is healthy: nothing acknowledged is lost"
	switch {
	case code == ExitCorrupt:
		hint = (&CorruptError{}).Hint()
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "free some space, and start again: nothing acknowledged is lost"
	}
	fmt.Fprintf(os.Stderr, "freshet: error: %v\nfreshet: hint: %s\n", err, hint)
	_ = os.Stderr.Sync() // a terminal or a pipe cannot be synced, and there is nobody left to tell
	os.Exit(code)
}
