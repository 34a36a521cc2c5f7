package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/flowfile"
)

// flow is a flow file that was read, with its plan and the place of its state.
type flow struct {
	file  *flowfile.File
	plan  *stream.Plan
	state string
	log   *slog.Logger

	unasked error           // the fault of a server that is away: what it told the last run stands for it
	reasons []engine.Reason // that and what else hinders the flow, as status tells it
	waits   bool            // a process runs it, which waits to begin
}

// headMax bounds the flow files that are looked into for their name alone, in bytes.
const headMax = 1 << 20

// place is where the state of a flow file lies. It reads no more than the flow's name, so that a verb
// which asks a running flow needs neither its environment nor a file without faults.
func (c *cli) place(path string) (string, error) {
	if c.state != "" {
		return c.state, nil
	}
	var head struct {
		Flow string `yaml:"flow"`
	}
	// What is no regular file, or too large, is the reader's to refuse.
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() <= headMax {
		text, err := os.ReadFile(path)
		if err == nil && yaml.Unmarshal(text, &head) == nil && stream.CheckName(head.Flow) == nil {
			return statePlace(path, head.Flow), nil
		}
	}
	file, err := c.read(path)
	if err != nil {
		return "", err
	}
	return statePlace(path, file.Name), nil
}

// statePlace is beside the flow file, in a folder of the flow's own.
func statePlace(path, name string) string {
	return filepath.Join(filepath.Dir(path), stateFolder, name)
}

// stateFolder holds the states of the flows whose files lie beside it.
const stateFolder = ".freshet"

// read reads a flow file without touching the network.
func (c *cli) read(path string) (*flowfile.File, error) {
	log, err := c.logger()
	if err != nil {
		return nil, err
	}
	return flowfile.Load(path, flowfile.LoadOptions{Registry: registry(), Logger: log})
}

// open reads a flow file, measures its models, reaches its sources and checks it.
func (c *cli) open(ctx context.Context, path string) (*flow, error) {
	f, err := c.outline(path)
	if err != nil {
		return nil, err
	}
	if err := c.meanwhile(ctx, "the servers that the flow file names", func() error { return f.check(ctx) }); err != nil {
		return nil, err
	}
	return f, nil
}

// check plans an outlined flow: it measures the models, and reaches the sources.
func (f *flow) check(ctx context.Context) (err error) {
	if f.plan, err = planOf(ctx, f.file); err == nil {
		f.keepApart()
	}
	return err
}

// keepApart has sources that read folders leave out what the flow itself writes there: its state, with those of the flows beside it,
// and the files of its sinks. Each change of them would be a change of the source, and make the next.
func (f *flow) keepApart() {
	own := []string{f.state}
	if beside := filepath.Dir(f.state); filepath.Base(beside) == stateFolder {
		own = append(own, beside)
	}
	for _, n := range f.plan.Sinks {
		if s, ok := n.Sink.(interface{ Files() []string }); ok {
			own = append(own, s.Files()...)
		}
	}
	for _, n := range f.plan.Sources {
		if s, ok := n.Source.(interface{ Omit(paths ...string) }); ok {
			s.Omit(own...)
		}
	}
}

// openStopped reads a flow file and plans it, and refuses a flow that runs; hint says what to do about it.
func (c *cli) openStopped(ctx context.Context, path, hint string) (*flow, error) {
	f, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	if _, ok := findPeer(ctx, f.state); ok {
		return nil, newFault("state_in_use", hint, "the flow is running")
	}
	return f, nil
}

// outline is what a flow file says by itself: a flow without its plan.
func (c *cli) outline(path string) (*flow, error) {
	file, err := c.read(path)
	if err != nil {
		return nil, err
	}
	log, err := c.logger()
	if err != nil {
		return nil, err
	}
	state := c.state
	if state == "" {
		state = statePlace(path, file.Name)
	}
	return &flow{file: file, state: state, log: log}, nil
}

// planOf measures the models of a flow file, reaches its sources, and checks it.
func planOf(ctx context.Context, file *flowfile.File) (*stream.Plan, error) {
	if err := measureModels(ctx, file); err != nil {
		return nil, err
	}
	plan, err := file.Plan(ctx)
	if err != nil {
		return nil, err
	}
	return plan, ownFiles(file, plan)
}

// ownFiles refuses sinks that would write over each other's files.
func ownFiles(file *flowfile.File, plan *stream.Plan) error {
	writers := map[string]string{}
	for _, n := range plan.Sinks {
		s, ok := n.Sink.(interface{ Files() []string })
		if !ok {
			continue
		}
		for _, path := range s.Files() {
			if other, taken := writers[path]; taken {
				return file.Diagnose(&stream.Problem{Code: "bad_value", Node: n.Name, Field: "path", Hint: "give each sink a file of its own",
					Message: fmt.Sprintf("the sink %q writes the same file", other)})
			}
			writers[path] = n.Name
		}
	}
	return nil
}

// measureModels asks the servers of models whose flow does not say how long their vectors are.
func measureModels(ctx context.Context, file *flowfile.File) error {
	if err := learnWorkers(ctx, file); err != nil {
		return err
	}
	for name, m := range file.Models {
		measured, ok := m.(interface{ measure(context.Context) error })
		if !ok {
			continue
		}
		if err := measured.measure(ctx); err != nil {
			return modelFault(file, name, err, "check that the server of model %s runs and its key; or write `dims:` beside its kind, so that it is not asked",
				"%s: ask model %s for the length of its vectors: %s")
		}
	}
	return nil
}

// modelFault is what a person is told of a model that gives no answer. The hint is given its name, the message the file, its
// name and what it said.
func modelFault(file *flowfile.File, name string, err error, hint, message string) *fault {
	f := newFault("server_unreachable", fmt.Sprintf(hint, name), message, file.Path, name, file.Redact(err.Error()))
	var refused *accel.Error
	switch {
	case errors.As(err, &refused) && refused.Dims > 0:
		f.Code, f.Exit = "dims_mismatch", exitEnvironment
		f.Hint = fmt.Sprintf("write `dims: %d` beside the kind of model %s, or leave dims out; check `model`, too: another one may answer", refused.Dims, name)
	case refused != nil && refused.Kind == accel.Unavailable && refused.Status == http.StatusTooManyRequests:
		f.Hint = "the server answers, and asks for fewer requests: wait, or set `limits: {rpm: …}` beside the kind of model " + name
	case refused != nil && refused.Kind == accel.Unavailable && refused.Status >= http.StatusInternalServerError:
		f.Hint = "the server answers, and has a fault of its own: look at the log of the server of model " + name
	case refused != nil && refused.Kind != accel.Unavailable:
		f.Code, f.Exit = "model_error", exitRunTime
		f.Hint = cmp.Or(hintOfAnswer(name, refused), f.Hint)
	}
	return f
}

// hintOfAnswer says what can be done about a model that has answered, and not with a vector.
func hintOfAnswer(name string, refused *accel.Error) string {
	switch refused.Kind {
	case accel.Auth:
		return "the server answers: check the api_key of model " + name + " and what it is allowed to do"
	case accel.Quota:
		return "the server answers: the account of model " + name + " has nothing left, so raise its limit or wait"
	case accel.UnknownModel:
		return "the server answers: check `model` of model " + name + ", and the path in its base_url"
	case accel.Malformed:
		return "the server answers: check `dims` of model " + name + ", and that its base_url leads to a server of that kind"
	case accel.Rejected:
		return "the server answers, and takes no text of one word: check `model` and the options of model " + name
	}
	return ""
}

// restore makes a plan of the text of an earlier flow file, for an index that serves until its successor
// is complete.
func (f *flow) restore(ctx context.Context, text string) (*stream.Plan, error) {
	parsed, err := f.parse(ctx, []byte(text))
	if err != nil {
		return nil, err
	}
	return parsed.plan, nil
}

// anew is the flow for another session. What was written to its file meanwhile has no part in it.
func (f *flow) anew(ctx context.Context) (*flow, error) { return f.parse(ctx, f.file.Text) }

// parse makes a flow of a text as if it stood in the flow file.
func (f *flow) parse(ctx context.Context, text []byte) (*flow, error) {
	file, err := flowfile.Parse(f.file.Path, text, flowfile.LoadOptions{Registry: registry(), Logger: f.log, Dir: f.file.Dir})
	if err != nil {
		return nil, err
	}
	next := &flow{file: file, state: f.state, log: f.log}
	if err := next.check(ctx); err != nil {
		return nil, err
	}
	return next, nil
}

// safe makes a fault of an error, without the secrets of the flow file: what a server or a library says may
// repeat them.
func (f *flow) safe(err error) error {
	if err == nil {
		return nil
	}
	told := *faultOf(err)
	told.Message, told.Hint = f.file.Redact(told.Message), f.file.Redact(told.Hint)
	return &told
}

// exists reports whether the flow has ever run.
func (f *flow) exists() bool { return stateExists(f.state) }

func stateExists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "VERSION"))
	return !errors.Is(err, fs.ErrNotExist) // what may not be looked at is there
}

// store opens the state.
func (f *flow) store(readOnly bool) (*statestore.DB, error) {
	return statestore.Open(f.state, statestore.DBOptions{MemoryBytes: engine.StoreBytes(f.plan.Limits),
		DiskFreeBytes: f.plan.Limits.DiskFree, Logger: f.log, ReadOnly: readOnly})
}
