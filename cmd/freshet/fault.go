package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/flowfile"
)

// Exit codes.
const (
	exitOK          = 0
	exitRunTime     = 1  // the flow ran into something
	exitUsage       = 2  // bad flow file or command line
	exitEnvironment = 3  // something outside is not as it has to be: a server, a folder, rights
	exitDataGuard   = 10 // going on would lose or delete data (I10)
	exitDisk        = statestore.ExitDisk
	exitCorrupt     = statestore.ExitCorrupt
)

// fault is an error as users see it, with the exit code of a process that ends with it.
type fault struct {
	api.Fault
	Data        any                  // what is known all the same
	diagnostics flowfile.Diagnostics // of a flow file, for people
}

func (f *fault) Error() string { return f.Message }

// exitByCode is the table of codes and their exit codes. Codes of flow files that it does not name are
// those of a bad flow.
func exitByCode(code string) int {
	switch code {
	case "dead_letters", "not_found", "model_error", "budget_exceeded", "tests_failed", "wait_timeout", "not_ready", "paused", "row_rejected", "timeout",
		"interrupted", "internal":
		return exitRunTime
	case "path_unreadable", "server_unreachable", "dims_mismatch", "state_in_use", "state_newer", "sink_taken",
		"address_in_use", "flow_not_running", "access_denied":
		return exitEnvironment
	case "data_guard":
		return exitDataGuard
	case "disk_full":
		return exitDisk
	case "state_corrupt":
		return exitCorrupt
	}
	return exitUsage
}

// usage is a command line that cannot be meant.
func usage(hint, format string, args ...any) *fault {
	return newFault("usage", hint, format, args...)
}

// newFault is a fault of a code of the table.
func newFault(code, hint, format string, args ...any) *fault {
	return &fault{Fault: api.Fault{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Exit: exitByCode(code)}}
}

// hinted is an error that knows what a user can do.
type hinted interface{ Hint() string }

// faultOf is the one table from errors to what users see: code, exit code and hint. The first that fits
// counts, so that what is most telling comes first.
func faultOf(err error) *fault {
	var (
		own         *fault
		served      *api.Fault
		diagnostics flowfile.Diagnostics
		problem     *stream.Problem
		source      *cdc.SourceError
		inUse       *statestore.InUseError
		newer       *statestore.VersionError
		corrupt     *statestore.CorruptError
		stalled     *statestore.StalledError
		other       *engine.OtherFlowError
		unknown     *engine.NotFoundError
		reading     *engine.ReadError
		refusing    *engine.ModelError
		position    *engine.PositionError
		step        *engine.StepError
		model       *accel.Error
		unwilling   *backpressure.UnwillingError
	)
	code, exit, hint := "internal", 0, ""
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &served):
		told := &fault{Fault: *served}
		told.Exit = cmp.Or(told.Exit, exitByCode(told.Code))
		return told
	case errors.As(err, &diagnostics) && len(diagnostics) > 0:
		return faultOfDiagnostics(diagnostics)
	case errors.As(err, &corrupt), statestore.IsCorrupt(err):
		code = "state_corrupt"
	case errors.As(err, &inUse):
		code = "state_in_use"
	case errors.As(err, &newer):
		code = "state_newer"
	case errors.As(err, &other):
		code = "state_of_other_flow"
	case errors.Is(err, stream.ErrFenced):
		code, hint = "sink_taken", "another process runs this flow on another state, with --state or as a copy, and has taken its sinks over: "+
			"the one that was started last writes. Stop one of them, then start the one that is to go on"
	case errors.As(err, &stalled), errors.Is(err, engine.ErrDiskFull):
		code, hint = "disk_full", "free some space, or lower limits.disk_free; nothing that was confirmed is lost"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		code, hint = "disk_full", "free some space; nothing that was confirmed is lost"
	case errors.Is(err, cdc.ErrGap):
		code, hint = "data_guard", "`freshet reset <flow> --source NAME --yes` reads the source anew"
		if errors.As(err, &source) {
			hint = source.Hint
		}
		if errors.As(err, &reading) {
			hint = strings.ReplaceAll(hint, "--source NAME", "--source "+reading.Source)
		}
	case errors.As(err, &source):
		code, hint, exit = source.Code, source.Hint, exitEnvironment
		if source.OfFlow() {
			exit = exitUsage
		}
	case errors.As(err, &refusing):
		code, hint = codeOfModel(refusing.Health.Reason), hintOfModel(refusing.Health.Reason)
		hint = strings.ReplaceAll(hint, "--step NAME", "--step "+refusing.Step)
	case errors.As(err, &step):
		code, hint = "row_rejected", "mend the row, or let the step keep rejected rows as dead letters: `on_error: dlq`"
	case errors.As(err, &model):
		code, hint = "model_error", "try again when the model answers; `freshet status` says how it does"
		if model.Kind == accel.Rejected {
			hint = "the model does not take this text: make it shorter, or change it"
		}
	case errors.As(err, &unwilling):
		code, hint = "model_error", hintOfModel(string(unwilling.Health.Reason))
	case errors.As(err, &unknown):
		code, hint = "not_found", "name a source's key as <source>/<key>, or a sink's as <sink>/<_key>, as a search shows it; of a deleted row nothing is known"
	case errors.As(err, &position):
		code, hint = "bad_value", "give a position as the source writes it; `freshet status <flow>` shows how"
	case errors.Is(err, engine.ErrPaused):
		code, hint = "paused", "`freshet resume <flow>` lets it take in what its sources have"
	case errors.Is(err, engine.ErrNoIndex):
		code, hint = "no_index", "add a vector sink that reads a step with embed"
	case errors.As(err, &problem):
		code, hint, exit = problem.Code, problem.Hint, problem.Exit
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		code, hint = "access_denied", "give this process the right to read and write that path, or name another one"
	case errors.Is(err, context.DeadlineExceeded):
		code, hint = "timeout", "try again; a model that answers slowly may need more time"
	case errors.Is(err, context.Canceled):
		code, hint = "interrupted", "it was told to stop; start it again to go on"
	}
	var knows hinted
	if errors.As(err, &knows) && knows.Hint() != "" {
		hint = knows.Hint()
	}
	if code == "internal" && hint == "" {
		hint = "run it again with --log-level debug; if it stays, please report it with that output"
	}
	return &fault{Fault: api.Fault{Code: code, Message: err.Error(), Hint: hint, Exit: cmp.Or(exit, exitByCode(code))}}
}

// addressed makes the commands in a fault's hint whole: <flow> is the flow file that the verb was given, with the state that
// it was given unless it answers a guard.
func addressed(err error, cmd *cobra.Command, args []string) error {
	if len(args) == 0 || !strings.Contains(cmd.Use, " FLOW") {
		return err
	}
	f := faultOf(err)
	if !strings.Contains(f.Hint, "<flow>") {
		return err
	}
	flow := quoted(args[0])
	// Whoever answers a guard adds --state: the command is written as for the state that lies beside the flow file.
	if state := cmd.Flag("state"); state != nil && state.Changed && f.Code != "data_guard" {
		flow += " --state " + quoted(state.Value.String())
	}
	whole := *f
	whole.Hint = strings.ReplaceAll(f.Hint, "<flow>", flow)
	return &whole
}

// quoted writes an argument as a shell takes it.
func quoted(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+=,", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// faultOfDiagnostics shows the first, and all of them as data.
func faultOfDiagnostics(all flowfile.Diagnostics) *fault {
	first := all[0]
	return &fault{Fault: api.Fault{Code: first.Code, Message: first.Error(), Hint: first.Hint, Exit: all.Exit()},
		Data: map[string]any{"diagnostics": all}, diagnostics: all}
}

// codeOfModel is the code of a run that a model does not let end.
func codeOfModel(reason string) string {
	switch backpressure.Reason(reason) {
	case backpressure.ReasonBudget:
		return "budget_exceeded"
	case backpressure.ReasonChanged:
		return "data_guard"
	}
	return "model_error"
}

// hintOfModel says what a person can do about a model that waits for one.
func hintOfModel(reason string) string {
	switch reason {
	case string(backpressure.ReasonChanged):
		return "`freshet reset <flow> --step NAME --yes` accepts the model as it is now; the next run then asks for every row anew"
	case string(backpressure.ReasonBudget):
		return "raise budget.usd_per_day, or run again tomorrow: what was answered is kept"
	case string(backpressure.ReasonAuth):
		return "check the model's api_key and its rights; then run again: what was answered is kept"
	case string(backpressure.ReasonQuota):
		return "the account has nothing left: raise its limit or wait; then run again: what was answered is kept"
	case string(backpressure.ReasonUnknownModel):
		return "the server does not have that model: check `model` and `base_url`"
	}
	return "run again when the model answers: what was answered is kept"
}
