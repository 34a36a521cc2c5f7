package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/flowfile"
)

// tested is what the tests of a flow have come to.
type tested struct {
	Passed int        `json:"passed"`
	Failed int        `json:"failed"`
	Tests  []testEnds `json:"tests"`
}

// testEnds is the end of one test: rows that were wanted and did not come, rows that came unwanted.
type testEnds struct {
	Name     string   `json:"name"`
	Step     string   `json:"step"`
	Line     int      `json:"line"`
	OK       bool     `json:"ok"`
	Missing  []string `json:"missing,omitempty"`
	Unwanted []string `json:"unwanted,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func (c *cli) testVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test FLOW",
		Short: "Run the tests of a flow file: given rows, wanted rows",
		Long: `Test gives the rows of each entry of "tests:" to its step alone and compares what
the step yields with the rows that are wanted, in any order; columns that a wanted
row does not name are not compared. It needs no state and no network: steps that
ask a model behind a server cannot be tested this way.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		ends, err := c.runTests(cmd.Context(), args[0])
		if err != nil {
			return result{}, err
		}
		if ends.Failed > 0 {
			if !c.json {
				showTests(c.out, ends)
			}
			f := newFault("tests_failed", "compare the rows above; `freshet validate` shows the columns of every step", "%s",
				ends.share(ends.Failed, "fails", "fail"))
			f.Data = ends
			return result{}, f
		}
		return result{data: ends, text: func(w io.Writer) { showTests(w, ends) }}, nil
	})
	return cmd
}

func (c *cli) runTests(ctx context.Context, path string) (*tested, error) {
	file, err := c.read(path)
	if err != nil {
		return nil, err
	}
	plan, err := file.Plan(ctx)
	if err != nil {
		return nil, err
	}
	ends := &tested{Tests: []testEnds{}}
	var bad flowfile.Diagnostics
	for _, t := range file.Tests {
		end := testEnds{Name: t.Name, Step: t.Step, Line: t.Line}
		err := c.observe(ctx, path, plan, t, func(step *stream.StepNode, in *cdc.Schema) error { return end.compare(step, in, t) })
		if row, ok := errors.AsType[*misfit](err); ok {
			bad = append(bad, file.DiagnoseRow(row.row, row.fault)...)
			continue
		}
		if err != nil {
			end.Error = file.Redact(err.Error())
		}
		end.OK = end.Error == "" && len(end.Missing)+len(end.Unwanted) == 0
		if end.OK {
			ends.Passed++
		} else {
			ends.Failed++
		}
		ends.Tests = append(ends.Tests, end)
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return ends, nil
}

// misfit is a row of a test that is none of the step's: the file is wrong, and no test fails.
type misfit struct {
	row   flowfile.TestRow
	fault *stream.Problem
}

func (m *misfit) Error() string { return m.fault.Error() }

// unfit is the misfit of a row that cannot be read.
func unfit(row flowfile.TestRow, err error) error {
	return &misfit{row, &stream.Problem{Code: "wrong_type", Message: err.Error(), Hint: "`freshet validate` shows the columns of every step, with their types"}}
}

// misnamed is the misfit that a plan with the observers tells of: the first row that names the column.
func misnamed(t flowfile.Test, fault *stream.Problem) error {
	rows, column := t.Want, strings.TrimPrefix(fault.Field, "columns.")
	if fault.Node == observedIn {
		rows = t.Given
	}
	for _, row := range rows {
		var members map[string]json.RawMessage
		if json.Unmarshal(row.JSON, &members) == nil && members[column] != nil {
			q := *fault
			q.Field = column
			return &misfit{row, &q}
		}
	}
	return fault
}

// The sinks that a test looks through. The flow's own read only what they hold, and a step yields only
// what is read.
const (
	observedIn  = "freshet-test-given"
	observedOut = "freshet-test-wanted"
)

// observer is a sink that reads every column and is never opened.
type observer struct{}

func (observer) Bind([]stream.Collection) (stream.Binding, error) { return stream.Binding{}, nil }

func (observer) Open(context.Context, stream.Target) (stream.Writer, error) {
	return nil, errors.New("open a sink of a test: it is only planned")
}

// observe plans the flow so that a step is given and yields every column that a test names.
func (c *cli) observe(ctx context.Context, path string, plan *stream.Plan, t flowfile.Test, fn func(*stream.StepNode, *cdc.Schema) error) error {
	at := slices.IndexFunc(plan.Steps, func(s *stream.StepNode) bool { return s.Name == t.Step })
	from := plan.Collections[plan.Steps[at].From].Name
	var given, wanted []string // columns to name; nil: all but positions
	for {
		file, err := c.read(path)
		if err != nil {
			return err
		}
		file.Flow.AddSink(observedIn, []string{from}, observer{}, stream.SinkOptions{Columns: given})
		file.Flow.AddSink(observedOut, []string{t.Step}, observer{}, stream.SinkOptions{Columns: wanted})
		observed, err := file.Flow.Plan(ctx)
		if err != nil {
			return misnamed(t, stream.Problems(err)[0]) // the plan without the observers is good: it is about a column of the test
		}
		step := observed.Steps[slices.IndexFunc(observed.Steps, func(s *stream.StepNode) bool { return s.Name == t.Step })]
		in, out := observed.Collections[step.From].Schema, observed.Collections[step.Out].Schema
		// Positions, such as seq, are there only where they are named: then the plan is made once more.
		moreGiven, moreWanted := unseen(in, t.Given), unseen(out, t.Want)
		if given != nil || len(moreGiven)+len(moreWanted) == 0 {
			return fn(step, in)
		}
		given, wanted = append(in.Names(), moreGiven...), append(out.Names(), moreWanted...)
	}
}

// unseen lists the columns that rows of a test name and a schema lacks.
func unseen(s *cdc.Schema, rows []flowfile.TestRow) []string {
	var names []string
	for _, row := range rows {
		var members map[string]json.RawMessage
		if json.Unmarshal(row.JSON, &members) != nil {
			continue // told when the row is read
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if s.Index(name) < 0 && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// compare gives the rows of a test to a step and notes how what comes differs from what is wanted.
func (e *testEnds) compare(step *stream.StepNode, in *cdc.Schema, t flowfile.Test) error {
	out := boundOf(step).Schema()
	var got []string // rows as objects, to be shown
	var rows []cdc.Row
	for _, given := range t.Given {
		row, err := cdc.RowFromJSON(relaxed(in, boundOf(step).Reads()), given.JSON)
		if err != nil {
			return unfit(given, fmt.Errorf("read given row: %w", err))
		}
		var yielded stream.Rows
		if err := yield(step, row, &yielded); err != nil {
			return fmt.Errorf("line %d: %w", given.Line, err)
		}
		for i := range yielded.Len() {
			rows = append(rows, yielded.At(i))
			got = append(got, objectOf(out, yielded.At(i)))
		}
	}
	for _, wanted := range t.Want {
		at, err := find(out, rows, wanted)
		if err != nil {
			return err
		}
		if at < 0 {
			e.Missing = append(e.Missing, string(wanted.JSON))
			continue
		}
		rows, got = slices.Delete(rows, at, at+1), slices.Delete(got, at, at+1)
	}
	e.Unwanted = got
	return nil
}

// objectOf shows a row: the columns that have a value.
func objectOf(s *cdc.Schema, row cdc.Row) string {
	var shown []cdc.Column
	var fields []int
	for i, c := range s.Columns {
		if row.At(i).State == cdc.Set && c.Type.Kind != cdc.Vector {
			shown, fields = append(shown, c), append(fields, i)
		}
	}
	var b cdc.RowBuilder
	return string(append(cdc.AppendFieldsJSON([]byte{'{'}, shown, b.Project(nil, row, fields)), '}'))
}

// relaxed lets a given row leave out the columns that the step does not read: they are passed on as null.
func relaxed(in *cdc.Schema, reads []string) *cdc.Schema {
	columns := slices.Clone(in.Columns)
	for i, c := range columns {
		if !in.IsKey(i) && !slices.Contains(reads, c.Name) {
			columns[i].Type = c.Type.OrNull()
		}
	}
	return &cdc.Schema{Columns: columns, Key: in.Key}
}

func boundOf(step *stream.StepNode) stream.Bound {
	if step.Mapper != nil {
		return step.Mapper
	}
	return step.Caller
}

// yield gives one row to a step.
func yield(step *stream.StepNode, row cdc.Row, out *stream.Rows) error {
	if step.Mapper != nil {
		return step.Mapper.Map(row, out)
	}
	inline, ok := step.Caller.Calls().Model.(stream.InlineModel)
	if !ok {
		return fmt.Errorf("step %s asks model %s behind a server: test the steps before it, or name the model builtin", step.Name,
			step.Caller.Calls().Model.Name())
	}
	input, ask, err := step.Caller.Input(nil, row)
	if err != nil {
		return err
	}
	answer := cdc.Value{State: cdc.Null}
	if ask {
		answers, err := inline.Answer([][]byte{input})
		if err != nil {
			return err
		}
		answer = cdc.Value{State: cdc.Set, Raw: answers[0]}
	}
	out.Builder.Reset()
	if err := step.Caller.Output(&out.Builder, row, answer); err != nil {
		return err
	}
	out.Emit()
	return nil
}

// find looks for a row that has what is wanted; -1 where none has.
func find(s *cdc.Schema, rows []cdc.Row, wanted flowfile.TestRow) (int, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(wanted.JSON, &members); err != nil {
		return -1, fmt.Errorf("read row: %w", err)
	}
	fields := make([]int, 0, len(members))
	only := &cdc.Schema{}
	for name := range members {
		at := s.Index(name)
		if at < 0 {
			return -1, &misfit{wanted, &stream.Problem{Code: "unknown_column", Field: name, Message: fmt.Sprintf("the step yields no column %q", name),
				Hint: stream.DidYouMean("columns", name, s.Names())}}
		}
		fields = append(fields, at)
		only.Columns = append(only.Columns, cdc.Column{Name: name, Type: s.Columns[at].Type.OrNull()})
	}
	want, err := cdc.RowFromJSON(only, wanted.JSON)
	if err != nil {
		return -1, unfit(wanted, fmt.Errorf("read wanted row: %w", err))
	}
	var b cdc.RowBuilder
	var got []byte
	for i, row := range rows {
		if got = b.Project(got[:0], row, fields); bytes.Equal(got, want) {
			return i, nil
		}
	}
	return -1, nil
}

func showTests(w io.Writer, ends *tested) {
	for _, t := range ends.Tests {
		sign := "ok  "
		if !t.OK {
			sign = "FAIL"
		}
		fmt.Fprintf(w, "%s %s\n", sign, visible(t.Name))
		if t.Error != "" {
			fmt.Fprintf(w, "     %s\n", visible(t.Error))
		}
		for _, row := range t.Missing {
			fmt.Fprintf(w, "     missing   %s\n", visible(row))
		}
		for _, row := range t.Unwanted {
			fmt.Fprintf(w, "     unwanted  %s\n", visible(row))
		}
	}
	if ends.Passed+ends.Failed == 0 {
		fmt.Fprintln(w, "the flow file has no tests: `tests:` would hold rows given to a step, and the rows wanted of it")
		return
	}
	fmt.Fprintln(w, ends.share(ends.Passed, "passes", "pass"))
}

// share says of how many tests something is true: one does, or many do.
func (t *tested) share(n int, does, do string) string {
	if n != 1 {
		does = do
	}
	return fmt.Sprintf("%d of %s %s", n, console.Counted(int64(t.Passed+t.Failed), "test", "tests"), does)
}
