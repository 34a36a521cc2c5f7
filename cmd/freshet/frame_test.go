package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/engine"
)

// shop is a flow with two ways to two sinks, seen twice: ten seconds lie between.
func shop(t *testing.T) (*console.Watch, console.Graph) {
	t.Helper()
	graph := console.Graph{
		Nodes: []console.Node{{Kind: "source", Name: "orders", Does: "postgres"}, {Kind: "source", Name: "papers", Does: "s3"}, {Kind: "step", Name: "pieces", Does: "split"},
			{Kind: "step", Name: "vectors", Does: "embed", Model: "bge-small"}, {Kind: "sink", Name: "index", Does: "vector"}, {Kind: "sink", Name: "mirror", Does: "postgres"}},
		Edges: []console.Edge{{From: 1, To: 2}, {From: 2, To: 3}, {From: 3, To: 4}, {From: 0, To: 5}},
	}
	reason := "errors"
	status := func(n int64) engine.Status {
		return engine.Status{Flow: "shop", State: "running", Epoch: uint64(40 + n), Store: engine.StoreStatus{Bytes: 3 << 20},
			Sources: map[string]engine.SourceStatus{"orders": {State: "live", ChangesTotal: 1000 + 20*n}, "papers": {State: "catching_up", ChangesTotal: 100 * n}},
			Steps:   map[string]engine.StepStatus{"pieces": {Rows: 100 * n}, "vectors": {Rows: 900 * n, CallsTotal: 450 * n, MemoHitsTotal: 50 * n, Pending: int(1200 - 60*n), DLQ: 2}},
			Models:  map[string]engine.ModelStatus{"bge-small": {Breaker: "open", Reason: &reason, Message: "503 from the server"}},
			Sinks: map[string]engine.SinkStatus{"index": {Rows: 880 * n, UpsertsTotal: 880 * n, FreshnessMS: engine.Percentiles{P50: 41, P99: 1200}},
				"mirror": {Rows: 1000, UpsertsTotal: 1000, Outbox: 37, OutboxBytes: 9000, Problem: "dial tcp: connection refused"}}}
	}
	reasons := []engine.Reason{{Code: "catching_up", Message: "the sources as they stood at the start are not applied yet"},
		{Code: "model_unavailable", Message: "model bge-small: 503 from the server"}, {Code: "sink_unavailable", Message: "sink mirror: dial tcp: connection refused"}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	w := &console.Watch{}
	w.See(console.Sample{At: at, Status: status(1), Reasons: reasons})
	w.See(console.Sample{At: at.Add(10 * time.Second), Status: status(2), Reasons: reasons})
	return w, graph
}

func TestFrameShowsFreshnessAndTheFlow(t *testing.T) {
	w, graph := shop(t)
	cases := []struct {
		name          string
		width, height int
		color         bool
		note          string
	}{
		{"plain", 80, 0, false, ""},
		{"wide with colours", 120, 40, true, ""},
		{"cut on a small terminal", 42, 9, false, ""},
		{"stays when nobody answers", 80, 0, false, "nobody answers since 12:00:11; figures as of then"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := frame{width: c.width, height: c.height, color: c.color}
			f.all(w, graph, c.note)
			got := strings.ReplaceAll(strings.Join(f.lines, "\n")+"\n", "\x1b", "␛")
			golden(t, "top/"+strings.ReplaceAll(c.name, " ", "-")+".golden", got)
			for _, line := range f.lines {
				if !c.color && len([]rune(line)) > c.width {
					t.Errorf("a line is wider than the terminal: %q", line)
				}
			}
			if c.height > 0 && len(f.lines) > c.height {
				t.Errorf("%d lines, the terminal has %d", len(f.lines), c.height)
			}
		})
	}
}

func TestAdviceIsWrappedAndBounded(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		width, height int
		want          []string
	}{
		{"a text that fits stays one line", "all is well", 20, 0, []string{"! all is well"}},
		{"a longer one goes on at a word", "dial tcp: connection refused", 20, 0, []string{"! dial tcp:", "  connection refused"}},
		{"one without blanks goes on anywhere", "abcdefghijklmnop", 10, 0, []string{"! abcdefgh", "  ijklmnop"}},
		{"a very long one ends after four lines", strings.Repeat("word ", 20), 12, 0,
			[]string{"! word word", "  word word", "  word word", "  word word…"}},
		{"a low terminal gives it one", "dial tcp: connection refused", 20, 10, []string{"! dial tcp: connect…"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := frame{width: c.width, height: c.height}
			f.wrapped(cell{"! ", plainStyle, 0}, c.text, plainStyle)
			if diff := cmp.Diff(c.want, f.lines); diff != "" {
				t.Errorf("lines (-want +got)\n%s", diff)
			}
		})
	}
}

func TestFrameShowsNoControlCharacters(t *testing.T) {
	w := &console.Watch{}
	w.See(console.Sample{At: time.Unix(0, 0), Status: engine.Status{Flow: "a\x1b[2Jb", State: "stopped"}})
	f := frame{width: 80}
	f.all(w, console.Graph{}, "")
	if text := strings.Join(f.lines, "\n"); strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

func TestNodesStandBelowWhatTheyRead(t *testing.T) {
	// a and b are joined in c; d reads c, and e reads a alone.
	g := console.Graph{Nodes: make([]console.Node, 5), Edges: []console.Edge{{From: 0, To: 2}, {From: 1, To: 2}, {From: 2, To: 3}, {From: 0, To: 4}}}
	want := []branch{{0, 0, false}, {2, 1, true}, {4, 1, false}, {1, 0, false}, {2, 1, false}, {3, 2, false}}
	if got := branches(g); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNobodyIsMissedWhereNobodyRan(t *testing.T) {
	for state, missed := range map[string]bool{"stopped": false, "running": true} {
		x := &top{state: t.TempDir()}
		x.watch.See(console.Sample{At: time.Unix(0, 0), Status: engine.Status{Flow: "shop", State: state}})
		if err := x.again(t.Context()); err != nil || x.gone.IsZero() == missed {
			t.Errorf("of a flow that was %s somebody is missed: %v, %v", state, !x.gone.IsZero(), err)
		}
	}
}
