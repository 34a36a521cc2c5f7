package engine_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// The oracle: what a flow makes of its sources, computed from nothing, row by row, by code that shares no
// line with the engine, the planner or the operators.

// sketch is a flow in words that the oracle understands.
type sketch struct {
	steps []stepSketch
	sinks []sinkSketch
}

// stepSketch is one step. Collections are numbered: the sources first, then the steps in order.
type stepSketch struct {
	from   int
	kind   string // cut, ask, keep
	arg    string // cut: pieces left out; ask: the column; keep: the value that other must not have
	model  int
	ref    bool
	hidden string // name of the answer
}

type sinkSketch struct {
	from    []int
	columns []string
	key     string // column, or empty
}

// oracleRow is a row by column, with the key that the engine would give it.
type oracleRow struct {
	key    []string
	fields map[string]any
}

// columnsOf lists the columns of a collection.
func (s *sketch) columnsOf(sources, c int) []string {
	if c < sources {
		return []string{"id", "body", "other"}
	}
	step := s.steps[c-sources]
	in := s.columnsOf(sources, step.from)
	switch step.kind {
	case "cut":
		return []string{"id", "piece_id", "piece", "other"}
	case "ask":
		return append(slices.Clone(in), step.hidden)
	}
	return in
}

// evaluate gives the rows of a collection.
func (s *sketch) evaluate(sources []map[string]row, c int) []oracleRow {
	if c < len(sources) {
		var rows []oracleRow
		for id, r := range sources[c] {
			rows = append(rows, oracleRow{key: []string{id}, fields: map[string]any{"id": id, "body": r.body, "other": float64(r.other)}})
		}
		return rows
	}
	step := s.steps[c-len(sources)]
	var rows []oracleRow
	for _, r := range s.evaluate(sources, step.from) {
		switch step.kind {
		case "keep":
			if fmt.Sprint(r.fields["other"]) != step.arg {
				rows = append(rows, r)
			}
		case "ask":
			fields := maps.Clone(r.fields)
			fields[step.hidden] = strings.ToUpper(r.fields[step.arg].(string))
			rows = append(rows, oracleRow{key: r.key, fields: fields})
		case "cut":
			rows = append(rows, cutOracle(r, step.arg)...)
		}
	}
	return rows
}

func cutOracle(r oracleRow, without string) []oracleRow {
	var rows []oracleRow
	times := map[string]int{}
	for _, piece := range strings.Split(r.fields["body"].(string), "|") {
		if piece == "" || without != "" && strings.Contains(piece, without) {
			continue
		}
		times[piece]++
		id := fmt.Sprintf("%s-%d", piece, times[piece])
		rows = append(rows, oracleRow{key: []string{r.key[0], id},
			fields: map[string]any{"id": r.fields["id"], "piece_id": id, "piece": piece, "other": r.fields["other"]}})
	}
	return rows
}

// want is what a sink must hold: columns by key, as a Table shows them.
func (s *sketch) want(sources []map[string]row, sink int) map[string]map[string]any {
	k := s.sinks[sink]
	want := map[string]map[string]any{}
	shown := map[string]string{} // of a chosen key: the collection key that is shown
	for _, from := range k.from {
		for _, r := range s.evaluate(sources, from) {
			key := strings.Join(r.key, "/")
			place := key
			if k.key != "" {
				place = fmt.Sprint(r.fields[k.key])
				if was, taken := shown[place]; taken && was < key {
					continue
				}
				shown[place] = key
			}
			if len(k.from) > 1 {
				place = s.name(len(sources), from) + "/" + place
			}
			columns := k.columns
			if columns == nil {
				columns = s.columnsOf(len(sources), from)
			}
			fields := map[string]any{}
			for _, c := range columns {
				fields[c] = r.fields[c]
			}
			want[place] = fields
		}
	}
	return want
}

func (s *sketch) name(sources, c int) string {
	if c < sources {
		return fmt.Sprintf("source%d", c)
	}
	return fmt.Sprintf("step%d", c-sources)
}

// difference compares a table with the oracle.
func (s *sketch) difference(sources []map[string]row, sink int, table *streamtest.Table) string {
	want, got := s.want(sources, sink), table.Rows()
	var wrong []string
	for place, fields := range want {
		var have map[string]any
		text, there := got[place]
		if !there {
			wrong = append(wrong, fmt.Sprintf("%s is missing, want %v", place, fields))
			continue
		}
		if err := json.Unmarshal([]byte(text), &have); err != nil || !maps.Equal(have, fields) {
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %v", place, text, fields))
		}
	}
	for place, text := range got {
		if _, known := want[place]; !known {
			wrong = append(wrong, fmt.Sprintf("%s is %s, want nothing", place, text))
		}
	}
	slices.Sort(wrong)
	return strings.Join(append(wrong, table.Wrong()...), "\n")
}

// declare lowers the sketch to a flow.
func (s *sketch) declare(f *stream.Flow, sources int, models []*streamtest.Model) error {
	for i, step := range s.steps {
		var op stream.Operator
		var err error
		switch step.kind {
		case "cut":
			op = streamtest.Cut{Without: step.arg}
		case "ask":
			op = streamtest.Ask{Model: models[step.model], Column: step.arg, As: step.hidden, Ref: step.ref}
		case "keep":
			op, err = operators.NewFilter(operators.FilterConfig{Condition: "row.other != " + step.arg})
		}
		if err != nil {
			return err
		}
		f.AddStep(s.name(sources, sources+i), s.name(sources, step.from), op, stream.StepOptions{})
	}
	return nil
}
