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

// faultOf is the one way from errors to what users see: code, exit code and hint. The first that fits counts, so that what is
// most telling comes first.
func faultOf(err error) *fault {
	var (
		own         *fault
		served      *api.Fault
		diagnostics flowfile.Diagnostics
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &served):
		told := &fault{Fault: *served}
		told.Exit = cmp.Or(told.Exit, exitByCode(told.Code))
		return told
	case errors.As(err, &diagnostics) && len(diagnostics) > 0:
		return faultOfDiagnostics(diagnostics)
	}
	var found verdict
	for _, of := range []func(error) verdict{ofState, ofSource, ofModel, ofQuestion, ofSystem} {
		if found = of(err); found.code != "" {
			break
		}
	}
	var knows hinted
	if errors.As(err, &knows) && knows.Hint() != "" {
		found.hint = knows.Hint()
	}
	if found.code == "" {
		found.code = "internal"
		found.hint = cmp.Or(found.hint, "run it again with --log-level debug; if it stays, please report it with that output")
	}
	return &fault{Fault: api.Fault{Code: found.code, Message: err.Error(), Hint: found.hint, Exit: cmp.Or(found.exit, exitByCode(found.code))}}
}

// verdict is what an error means to users; without a code it is none of those that were looked for.
type verdict struct {
	code, hint string
	exit       int // 0: the code says enough
}

// ofState reads errors of the state and of the disk below it, and of who else writes.
func ofState(err error) verdict {
	var (
		inUse   *statestore.InUseError
		newer   *statestore.VersionError
		stalled *statestore.StalledError
		other   *engine.OtherFlowError
	)
	switch {
	case statestore.IsCorrupt(err):
		return verdict{code: "state_corrupt"}
	case errors.As(err, &inUse):
		return verdict{code: "state_in_use"}
	case errors.As(err, &newer):
		return verdict{code: "state_newer"}
	case errors.As(err, &other):
		return verdict{code: "state_of_other_flow"}
	case errors.Is(err, stream.ErrFenced):
		return verdict{code: "sink_taken", hint: "another process runs this flow on another state, with --state or as a copy, and has taken its sinks over: " +
			"the one that was started last writes. Stop one of them, then start the one that is to go on"}
	case errors.As(err, &stalled), errors.Is(err, engine.ErrDiskFull):
		return verdict{code: "disk_full", hint: "free some space, or lower limits.disk_free; nothing that was confirmed is lost"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return verdict{code: "disk_full", hint: "free some space; nothing that was confirmed is lost"}
	}
	return verdict{}
}

// ofSource reads errors of sources.
func ofSource(err error) verdict {
	var source *cdc.SourceError
	if errors.Is(err, cdc.ErrGap) {
		hint := "`freshet reset <flow> --source NAME --yes` reads the source anew"
		if errors.As(err, &source) {
			hint = source.Hint
		}
		if reading, ok := errors.AsType[*engine.ReadError](err); ok {
			hint = strings.ReplaceAll(hint, "--source NAME", "--source "+reading.Source)
		}
		return verdict{code: "data_guard", hint: hint}
	}
	if !errors.As(err, &source) {
		return verdict{}
	}
	found := verdict{code: source.Code, hint: source.Hint, exit: exitEnvironment}
	if source.OfFlow() {
		found.exit = exitUsage
	}
	return found
}

// ofModel reads errors of models, and of rows that a step or a model does not take.
func ofModel(err error) verdict {
	var (
		refusing  *engine.ModelError
		step      *engine.StepError
		model     *accel.Error
		unwilling *backpressure.UnwillingError
	)
	switch {
	case errors.As(err, &refusing):
		hint := strings.ReplaceAll(hintOfModel(refusing.Health.Reason), "--step NAME", "--step "+refusing.Step)
		return verdict{code: codeOfModel(refusing.Health.Reason), hint: hint}
	case errors.As(err, &step):
		return verdict{code: "row_rejected", hint: "mend the row, or let the step keep rejected rows as dead letters: `on_error: dlq`"}
	case errors.As(err, &model) && model.Kind == accel.Rejected:
		return verdict{code: "model_error", hint: "the model does not take this text: make it shorter, or change it"}
	case errors.As(err, &model):
		return verdict{code: "model_error", hint: "try again when the model answers; `freshet status` says how it does"}
	case errors.As(err, &unwilling):
		return verdict{code: "model_error", hint: hintOfModel(string(unwilling.Health.Reason))}
	}
	return verdict{}
}

// ofQuestion reads what a flow answers to who asks for what it does not know or cannot do, and problems of its plan.
func ofQuestion(err error) verdict {
	var (
		unknown  *engine.NotFoundError
		position *engine.PositionError
		problem  *stream.Problem
	)
	switch {
	case errors.As(err, &unknown):
		return verdict{code: "not_found", hint: "name a source's key as <source>/<key>, or a sink's as <sink>/<_key>, as a search shows it; of a deleted row nothing is known"}
	case errors.As(err, &position):
		return verdict{code: "bad_value", hint: "give a position as the source writes it; `freshet status <flow>` shows how"}
	case errors.Is(err, engine.ErrPaused):
		return verdict{code: "paused", hint: "`freshet resume <flow>` lets it take in what its sources have"}
	case errors.Is(err, engine.ErrNoIndex):
		return verdict{code: "no_index", hint: "add a vector sink that reads a step with embed"}
	case errors.As(err, &problem):
		return verdict{code: problem.Code, hint: problem.Hint, exit: problem.Exit}
	}
	return verdict{}
}

// ofSystem reads errors of the operating system and of time.
func ofSystem(err error) verdict {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return verdict{code: "access_denied", hint: "give this process the right to read and write that path, or name another one"}
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{code: "timeout", hint: "try again; a model that answers slowly may need more time"}
	case errors.Is(err, context.Canceled):
		return verdict{code: "interrupted", hint: "it was told to stop; start it again to go on"}
	}
	return verdict{}
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
