package stream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Flow is a declared graph: sources, steps and sinks by name. It is filled by one goroutine and then
// planned; declaration order does not matter.
type Flow struct {
	Name   string
	Limits Limits

	sources []sourceDecl
	steps   []stepDecl
	sinks   []sinkDecl
}

// Leavers yields the sinks that keep a record of who writes them, in the order of the flow. Nothing is read or planned for it.
func (f *Flow) Leavers(yield func(name string, l Leaver) bool) {
	for _, d := range f.sinks {
		if l, ok := d.sink.(Leaver); ok && !yield(d.name, l) {
			return
		}
	}
}

// Limits bound what a flow may take of its machine.
type Limits struct {
	MemoryBytes int64 // default 512 MiB
	DiskFree    int64 // bytes that stay free where the state lies; default 1 GiB
}

// Defaults of Limits.
const (
	DefaultMemoryBytes = 512 << 20
	DefaultDiskFree    = 1 << 30
)

// OnError says what becomes of a row that a step rejects.
type OnError uint8

// What becomes of a rejected row.
const (
	DeadLetter OnError = iota // it is kept as a dead letter and its old output is removed (I6)
	Fail                      // the flow stops
	KeepStale                 // it is kept as a dead letter and its old output stays
)

// StepOptions are what a flow may say of any step.
type StepOptions struct {
	OnError OnError
	MaxHold time.Duration // removals wait no longer than this for the calls of their owner; 0: they wait
	Was     string        // the name that the step had before, so that its state stays
}

// SinkOptions are what a flow may say of any sink.
type SinkOptions struct {
	Columns []string // what a row of the target holds; nil: all columns
	Project Operator // computes the columns, instead of Columns
	Key     []string // columns that are the key of the target; nil: the key of the collection
	Swap    bool     // on_logic_change: build anew beside the old one and swap when complete
}

type sourceDecl struct {
	name    string
	source  Source
	assumed []Collection
}

type stepDecl struct {
	name, from string
	op         Operator
	options    StepOptions
	hidden     bool
}

type sinkDecl struct {
	name    string
	from    []string
	sink    Sink
	options SinkOptions
}

// New begins a flow.
func New(name string) *Flow { return &Flow{Name: name} }

// AddSource declares a source.
func (f *Flow) AddSource(name string, s Source) {
	f.sources = append(f.sources, sourceDecl{name: name, source: s})
}

// Assume plans the flow as if a source had offered these collections, without asking it: a stopped flow is looked into
// although what it reads is away.
func (f *Flow) Assume(source string, collections []Collection) {
	for i := range f.sources {
		if f.sources[i].name == source {
			f.sources[i].assumed = collections
		}
	}
}

// Tenants yields the sources that may have made something where they read, in the order of the flow. Nothing is
// read or planned for it: a flow that no longer fits what it reads can still be taken away.
func (f *Flow) Tenants(yield func(name string, t Tenant) bool) {
	for _, d := range f.sources {
		if t, ok := d.source.(Tenant); ok && !yield(d.name, t) {
			return
		}
	}
}

// AddStep declares a step that reads the collection named from.
func (f *Flow) AddStep(name, from string, op Operator, o StepOptions) {
	f.steps = append(f.steps, stepDecl{name: name, from: from, op: op, options: o})
}

// AddSink declares a sink of one or more collections. An operator that computes the columns becomes a
// step of its own for each of them.
func (f *Flow) AddSink(name string, from []string, s Sink, o SinkOptions) {
	if o.Project != nil {
		projected := make([]string, len(from))
		for i, c := range from {
			projected[i] = name + "/" + c
			f.steps = append(f.steps, stepDecl{name: projected[i], from: c, op: o.Project, hidden: true})
		}
		from = projected
	}
	f.sinks = append(f.sinks, sinkDecl{name: name, from: from, sink: s, options: o})
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// CheckName reports why a text cannot name a flow, source, step, sink or model.
func CheckName(name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	return &Problem{Code: "bad_value", Message: fmt.Sprintf("%q is no name", name),
		Hint: "names are up to 40 small letters, digits, - and _, beginning with a letter"}
}

// checkNames finds malformed and doubled names. Two names that differ only in - and _ are one, as slots
// and topics are named after them.
func (f *Flow) checkNames() []error {
	var faults []error
	seen := map[string]string{}
	check := func(kind, name string) {
		if err := CheckName(name); err != nil {
			var p *Problem
			errors.As(err, &p)
			faults = append(faults, p.At(name))
		}
		plain := strings.ReplaceAll(name, "-", "_")
		if first, ok := seen[plain]; ok {
			faults = append(faults, &Problem{Code: "duplicate_name", Node: name,
				Message: fmt.Sprintf("the %s %q has the name of %s", kind, name, first),
				Hint:    fmt.Sprintf("give the %s a name of its own", kind)})
			return
		}
		seen[plain] = fmt.Sprintf("the %s %q", kind, name)
	}
	for _, s := range f.sources {
		check("source", s.name)
	}
	for _, s := range f.steps {
		if !s.hidden {
			check("step", s.name)
		}
	}
	for _, s := range f.sinks {
		check("sink", s.name)
	}
	return faults
}

// Plan introspects the sources, binds every operator and yields a checked plan. All faults that can be
// told at once are joined; each is a *Problem, or a *cdc.SourceError of a source that cannot be reached.
func (f *Flow) Plan(ctx context.Context) (*Plan, error) {
	if faults := f.checkNames(); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	g := &planner{flow: f, byName: map[string]*draft{}, offers: make([][]Collection, len(f.sources))}
	if err := g.introspect(ctx); err != nil {
		return nil, err
	}
	if err := g.order(); err != nil {
		return nil, err
	}
	if err := g.bindAll(); err != nil {
		return nil, err
	}
	g.need()
	if err := g.bindNeeded(); err != nil {
		return nil, err
	}
	return g.plan(), nil
}

// Nearest is the candidate that a misspelt name most likely means, or "" where none is close: a third
// of its letters may differ, of a short name one.
func Nearest(name string, candidates []string) string {
	best, bestAt := "", max(1, len(name)/3)+1
	if len(name) > 3 {
		bestAt = max(bestAt, 3)
	}
	for _, c := range candidates {
		if d := distance(name, c); d < bestAt && d < len(name) {
			best, bestAt = c, d
		}
	}
	return best
}

// distance is the number of edits, a swap of neighbours counting as one.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// DidYouMean is a hint that names the nearest candidate, or lists them all.
func DidYouMean(what, name string, candidates []string) string {
	if near := Nearest(name, candidates); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(candidates) == 0 {
		return "there is no " + what
	}
	sorted := slices.Sorted(slices.Values(candidates))
	return fmt.Sprintf("the %s are %s", what, strings.Join(sorted, ", "))
}

// collectionName is how the collections of a source are named in a flow.
func collectionName(source string, c Collection) string {
	if c.Name == "" {
		return source
	}
	return source + "." + c.Name
}
