package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/flowfile"
)

func TestFaultOfErrorHasCodeExitAndHint(t *testing.T) {
	gap := &cdc.SourceError{Code: "data_guard", Err: fmt.Errorf("most files are gone: %w", cdc.ErrGap), Hint: "freshet reset"}
	cases := []struct {
		name string
		err  error
		code string
		exit int
	}{
		{"a state that another process has", &statestore.InUseError{Path: "state"}, "state_in_use", 3},
		{"a sink that a copy of the state has taken over", fmt.Errorf("write index: generation 1, the table has 2: %w", stream.ErrFenced), "sink_taken", 3},
		{"a state of a newer program", &statestore.VersionError{Path: "VERSION", Found: 9, Supported: 1}, "state_newer", 3},
		{"a damaged file", &statestore.CorruptError{File: "000012.sst", Err: errors.New("checksum")}, "state_corrupt", 21},
		{"a state of another flow", &engine.OtherFlowError{Want: "a", Found: "b"}, "state_of_other_flow", 2},
		{"a missing folder", &cdc.SourceError{Code: "path_unreadable", Err: errors.New("no such folder"), Hint: "make it"}, "path_unreadable", 3},
		{"a guard against lost data (I10)", gap, "data_guard", 10},
		{"a gap that says no more", fmt.Errorf("read topic: %w", cdc.ErrGap), "data_guard", 10},
		{"a full disk", engine.ErrDiskFull, "disk_full", 20},
		{"no space left", &os.PathError{Op: "write", Path: "000012.log", Err: syscall.ENOSPC}, "disk_full", 20},
		{"writes that wait for the disk", &statestore.StalledError{Path: "state", Err: errors.New("no space")}, "disk_full", 20},
		{"a path that may not be written", fmt.Errorf("open log: %w", &os.PathError{Op: "open", Path: "out.jsonl", Err: syscall.EACCES}), "access_denied", 3},
		{"a file system that is read-only", &os.PathError{Op: "open", Path: "out.jsonl", Err: syscall.EROFS}, "access_denied", 3},
		{"a model that waits for a person", &engine.ModelError{Model: "m", Health: stream.ModelHealth{Reason: "auth", Message: "401"}}, "model_error", 1},
		{"a question that the model refuses", &accel.Error{Kind: accel.Rejected, Status: 400, Message: "no"}, "model_error", 1},
		{"a key that nobody knows", &engine.NotFoundError{What: "docs/a"}, "not_found", 1},
		{"a flow without index", engine.ErrNoIndex, "no_index", 2},
		{"a step that fails the flow", &engine.StepError{Step: "s", Key: "k", Message: "m"}, "row_rejected", 1},
		{"an option that a source's server does not know", &cdc.SourceError{Code: "unknown_column", Err: errors.New("no column x"), Hint: "y"}, "unknown_column", 2},
		{"a problem of a flow", &stream.Problem{Code: "unknown_column", Message: "no column x", Hint: "y"}, "unknown_column", 2},
		{"a problem of the environment", &stream.Problem{Code: "server_unreachable", Message: "no answer", Hint: "start it"}, "server_unreachable", 3},
		{"diagnostics of a flow file", flowfile.Diagnostics{{Code: "unknown_key", Message: "m", Hint: "h", File: "f", Line: 1, Column: 1, Exit: 2}}, "unknown_key", 2},
		{"diagnostics of the environment", flowfile.Diagnostics{{Code: "path_unreadable", Message: "m", Hint: "h", File: "f", Exit: 3}}, "path_unreadable", 3},
		{"a fault that the running flow tells", &api.Fault{Code: "not_found", Message: "m", Hint: "h"}, "not_found", 1},
		{"a fault whose exit code the running flow tells", &api.Fault{Code: "rights", Message: "m", Hint: "h", Exit: 3}, "rights", 3},
		{"time that is over at the running flow", &api.Fault{Code: "timeout", Message: "m", Hint: "h"}, "timeout", 1},
		{"a row that the running flow rejects", &api.Fault{Code: "row_rejected", Message: "m", Hint: "h"}, "row_rejected", 1},
		{"an edit of the workload that does not come", newFault("timeout", "h", "m"), "timeout", 1},
		{"a wrong command line", usage("h", "m"), "usage", 2},
		{"time that is over", context.DeadlineExceeded, "timeout", 1},
		{"anything else", errors.New("read: broken pipe"), "internal", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, err := range []error{c.err, fmt.Errorf("open state: %w", c.err), errors.Join(c.err, errors.New("close state"))} {
				got := faultOf(err)
				if got.Code != c.code || got.Exit != c.exit {
					t.Errorf("faultOf(%v) = %s, exit %d; want %s, exit %d", err, got.Code, got.Exit, c.code, c.exit)
				}
				if got.Hint == "" || got.Message == "" {
					t.Errorf("faultOf(%v) has message %q and hint %q; want both", err, got.Message, got.Hint)
				}
			}
		})
	}
}

func TestCodesOfTheContractHaveTheirExit(t *testing.T) {
	cases := map[int][]string{
		1: {"dead_letters", "not_found", "model_error", "row_rejected", "timeout", "interrupted", "internal"},
		2: {"usage", "flow_unreadable", "yaml_syntax", "unknown_key", "missing_key", "wrong_type", "bad_value", "missing_env",
			"duplicate_name", "unknown_name", "unknown_model", "unknown_kind", "unknown_column", "cycle", "expression_syntax",
			"expression_type", "null_misuse", "no_vector_column", "state_of_other_flow", "flow_changed"},
		3:  {"path_unreadable", "server_unreachable", "dims_mismatch", "state_in_use", "state_newer", "sink_taken"},
		10: {"data_guard"},
		20: {"disk_full"},
		21: {"state_corrupt"},
	}
	for exit, codes := range cases {
		for _, code := range codes {
			if got := exitByCode(code); got != exit {
				t.Errorf("exitByCode(%q) = %d, want %d", code, got, exit)
			}
		}
	}
}

func TestHintOfAModelNamesWhatItRefuses(t *testing.T) {
	for kind, want := range map[accel.Kind]string{accel.Auth: "api_key", accel.Quota: "account", accel.UnknownModel: "`model`",
		accel.Malformed: "`dims`", accel.Rejected: "options"} {
		if got := hintOfAnswer("emb", &accel.Error{Kind: kind}); !strings.Contains(got, want) || !strings.Contains(got, "model emb") {
			t.Errorf("a model that ends in %s: hint %q, want %q and the model's name", kind, got, want)
		}
	}
	if got := hintOfAnswer("emb", &accel.Error{Kind: accel.Unavailable}); got != "" {
		t.Errorf("a model that does not answer: hint %q, want the one of the verb", got)
	}
}

func TestCommandsOfHintsAreWhole(t *testing.T) {
	gap := &engine.ReadError{Source: "docs", Err: &cdc.SourceError{Code: "data_guard", Err: fmt.Errorf("files are gone: %w", cdc.ErrGap),
		Hint: "`freshet reset <flow> --source NAME --accept-deletes --yes`"}}
	takesFlow, withState := &cobra.Command{Use: "run FLOW"}, &cobra.Command{Use: "run FLOW"}
	withState.Flags().String("state", "", "")
	if err := withState.Flags().Set("state", "other place"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, want string
		cmd              *cobra.Command
	}{
		{"a plain path is written as it is", "dir/flow.yaml", "`freshet reset dir/flow.yaml --source docs --accept-deletes --yes`", takesFlow},
		{"a path with blanks is quoted", "my flow.yaml", "`freshet reset 'my flow.yaml' --source docs --accept-deletes --yes`", takesFlow},
		{"a path with quotes is quoted", "it's.yaml", "`freshet reset 'it'\\''s.yaml' --source docs --accept-deletes --yes`", takesFlow},
		{"the answer to a guard names no state", "flow.yaml", "`freshet reset flow.yaml --source docs --accept-deletes --yes`", withState},
		{"a verb that takes no flow file says where one goes", "docs", "`freshet reset <flow> --source docs --accept-deletes --yes`", &cobra.Command{Use: "demo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := faultOf(addressed(gap, c.cmd, []string{c.path})); got.Hint != c.want || got.Exit != exitDataGuard {
				t.Errorf("hint %s, exit %d; want %s, exit %d", got.Hint, got.Exit, c.want, exitDataGuard)
			}
		})
	}
	if got, want := faultOf(addressed(newFault("paused", "`freshet resume <flow>`", "m"), withState, []string{"flow.yaml"})).Hint, "`freshet resume flow.yaml --state 'other place'`"; got != want {
		t.Errorf("hint %s, want %s: the state that was given is the one that is meant", got, want)
	}
}
