package main

import (
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/stream/engine"
)

func TestProgressTellsRateAndTimeLeft(t *testing.T) {
	status := func(changes, calls int64, pending int) engine.Status {
		return engine.Status{Sources: map[string]engine.SourceStatus{"docs": {ChangesTotal: changes}},
			Steps: map[string]engine.StepStatus{"vectors": {CallsTotal: calls, Pending: pending}}}
	}
	filling := status(0, 0, 0)
	filling.Sources["pages"] = engine.SourceStatus{Backfill: &engine.Reading{Collection: "pages", Rows: 9, Done: 0.5, RowsPerSecond: 3}}
	filling.Sources["docs"] = engine.SourceStatus{Backfill: &engine.Reading{Collection: "docs", Rows: 700, Done: 0.25, RowsPerSecond: 350, ETASeconds: 6}}
	full := status(1500, 0, 0)
	full.Sinks = map[string]engine.SinkStatus{"index": {Problem: "index_full: grow vector index: needs 2 MiB; a person has to act: raise limits.memory"}}
	cases := []struct {
		name string
		end  engine.Status
		want string
	}{
		{"only reading", status(1500, 0, 0), "1,500 rows read (750/s)"},
		{"calls are made", status(1500, 200, 0), "1,500 rows read (750/s), 200 calls (100/s)"},
		{"rows wait for calls", status(1500, 1000, 1000), "1,500 rows read (750/s), 1,000 calls (500/s), 1,000 wait, about 4 s left"},
		{"nothing is answered yet", status(1500, 0, 1500), "1,500 rows read (750/s), 0 calls (0/s), 1,500 wait"},
		{"a sink takes no rows", full, "1,500 rows read (750/s); sink index takes no rows: index_full: grow vector index: needs 2 MiB"},
		{"the flow has changed", filling, "0 rows read (0/s), stored rows through the changed flow: docs: 25 %, 350 rows/s, 6 s left, " +
			"stored rows through the changed flow: pages: 50 %, 3 rows/s"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p pace
			began := time.Unix(1000, 0)
			p.see(began, status(0, 0, 0))
			p.see(began.Add(2*time.Second), c.end)
			if got := p.line(); got != c.want {
				t.Errorf("line = %q, want %q", got, c.want)
			}
		})
	}
}

func TestOneIsNotMany(t *testing.T) {
	var p pace
	began := time.Unix(1000, 0)
	p.see(began, engine.Status{})
	p.see(began.Add(time.Second), engine.Status{Sources: map[string]engine.SourceStatus{"docs": {ChangesTotal: 1}},
		Steps: map[string]engine.StepStatus{"vectors": {CallsTotal: 1, Pending: 1}}, Sinks: map[string]engine.SinkStatus{"index": {Rows: 1}}})
	one := standing{Status: engine.Status{Flow: "docs", State: "stopped", Epoch: 1, DeadLetters: 1}}
	one.Sources = map[string]engine.SourceStatus{"docs": {Pushes: &engine.Pushes{Requests: 1, Taken: 1}, Reading: &engine.Reading{Collection: "docs", ETASeconds: 60}}}
	one.Sinks = map[string]engine.SinkStatus{"index": {Successor: &engine.Successor{Rows: 1, Of: 9}}}
	var status, bench, tests strings.Builder
	showStatus(&status, one)
	showBench(&bench, &benched{Rows: 1, Edits: 1, Searches: 1, Embeddings: 1})
	showTests(&tests, &tested{Passed: 1, Tests: []testEnds{{}}})
	showPreview(&tests, &engine.Preview{Steps: map[string]engine.StepPreview{"vectors": {Seconds: 3600}}})
	for said, wanted := range map[string][]string{
		p.line():        {"1 row read", "1 call (", "1 waits"},
		p.done():        {"1 row read, 1 call, 1 row in sinks"},
		status.String(): {"\n1 dead letter: ", "1 push, 1 row taken", "0 rows/s, 1 min left", "1 row of about 9"},
		bench.String():  {"\n1 document, ", "1 edit, ", "1 question among 1 row,"},
		tests.String():  {"1 of 1 test passes", " 1 h\n"},
	} {
		for _, want := range wanted {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in:\n%s", want, said)
			}
		}
	}
}

func TestLongNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -999: "-999", -1000: "-1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestChangeLineSaysWhatAnEditCost(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 4, 31, 0, time.UTC)
	edit := engine.ChangeEvent{Key: "billing.md", Calls: 1, Upserts: 1, Deletes: 1, FreshMS: 38.2}
	if got, want := changeLine(now, edit, 14), "12:04:31 billing.md  1 of 14 sections changed → 1 embedded, 13 kept → searchable 38 ms after it was seen"; got != want {
		t.Errorf("edit: %q, want %q", got, want)
	}
	gone := engine.ChangeEvent{Key: "billing.md", Deletes: 14, FreshMS: 3}
	if got, want := changeLine(now, gone, 0), "12:04:31 billing.md  removed → 14 sections gone 3 ms after it was seen"; got != want {
		t.Errorf("removal: %q, want %q", got, want)
	}
	hostile := engine.ChangeEvent{Key: "a\x1b[2Jb", Deletes: 1}
	if got, want := changeLine(now, hostile, 0), "12:04:31 a�[2Jb  removed → 1 section gone 0 ms after it was seen"; got != want {
		t.Errorf("a name with an escape: %q, want %q", got, want)
	}
}

func TestNamesOfFlowsAreMadeOfFileNames(t *testing.T) {
	for path, want := range map[string]string{"notes.yaml": "notes", "My Notes (2).yaml": "my-notes", "a/handbook/flow.yaml": "handbook", "2024.yaml": "docs", "ÜÄ.yml": "docs"} {
		if got := flowName(path); got != want {
			t.Errorf("flowName(%q) = %q, want %q", path, got, want)
		}
	}
}
