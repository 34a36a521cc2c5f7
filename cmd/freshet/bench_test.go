package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/engine"
)

// TestBenchMeasuresWhatItHasDoneAndLeavesNothing runs the built-in workload, a small one.
func TestBenchMeasuresWhatItHasDoneAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("GOMEMLIMIT", "off") // the process of the tests keeps its bounds
	var out bytes.Buffer
	if code := execute([]string{"bench", "--rows", "40", "--seconds", "0.2", "--json"}, &out, os.Stderr); code != exitOK {
		t.Fatalf("bench ends with %d: %s", code, out.String())
	}
	var e struct {
		Data benched `json:"data"`
	}
	if err := json.Unmarshal(out.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	b := e.Data
	if b.Rows != 40 || b.Embeddings < int64(benchSections*b.Rows) || b.TextBytes < int64(b.Rows)*500 {
		t.Errorf("%d documents of %d bytes in all have %d embeddings, want each section of each", b.Rows, b.TextBytes, b.Embeddings)
	}
	for name, figure := range map[string]float64{"load_seconds": b.LoadSeconds, "load_cpu_seconds": b.LoadCPU, "edits": float64(b.Edits), "searches": float64(b.Searches),
		"freshness": b.FreshnessMS.P50, "search": b.SearchMS.P50, "state_bytes": float64(b.StateBytes)} {
		if figure <= 0 {
			t.Errorf("%s is %g", name, figure)
		}
	}
	if got, want := b.RowsPerSecond*b.LoadSeconds, float64(b.Rows); got < want-1e-6 || got > want+1e-6 {
		t.Errorf("%g rows a second for %g seconds are not %d rows", b.RowsPerSecond, b.LoadSeconds, b.Rows)
	}
	if b.FreshnessMS.P99 < b.FreshnessMS.P50 || b.SearchMS.P99 < b.SearchMS.P50 {
		t.Errorf("percentiles are out of order: %v, %v", b.FreshnessMS, b.SearchMS)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestBenchOfARunningFlowAsksItAndNothingElse(t *testing.T) {
	dir := runningDemo(t)
	var out bytes.Buffer
	if code := execute([]string{"bench", filepath.Join(dir, demoFlow), "--seconds", "0.3", "--json"}, &out, io.Discard); code != exitOK {
		t.Fatalf("bench ends with %d: %s", code, out.String())
	}
	var e struct {
		Data observed `json:"data"`
	}
	if err := json.Unmarshal(out.Bytes(), &e); err != nil {
		t.Fatal(err)
	}
	if o := e.Data; o.Flow != "handbook" || o.Seconds < 0.3 || o.Sinks["index"].FreshnessMS.P99 <= 0 || o.StateBytes == 0 || len(o.Steps) != 2 || o.Sources["docs"].Changes != 0 {
		t.Errorf("a flow at rest is seen as %+v", o)
	}
}

func TestBenchRefusesWhatItCannotMean(t *testing.T) {
	for _, arguments := range [][]string{{"--rows", "0"}, {"--seconds", "0"}, {"--seconds", "-1"}, {"none.yaml", "--rows", "3"}, {"none.yaml"}, {"a", "b"}} {
		if code := execute(append([]string{"bench"}, arguments...), io.Discard, io.Discard); code != exitUsage {
			t.Errorf("bench %v ends with %d, want %d", arguments, code, exitUsage)
		}
	}
	dir := filepath.Join(t.TempDir(), "demo")
	if err := layDemo(dir); err != nil {
		t.Fatal(err)
	}
	if code := execute([]string{"bench", filepath.Join(dir, demoFlow)}, io.Discard, io.Discard); code != exitEnvironment {
		t.Errorf("bench of a stopped flow ends with %d, want %d", code, exitEnvironment)
	}
}

// TestRatesAreTheDifferenceOfTwoStatuses holds what is seen against what was first.
func TestRatesAreTheDifferenceOfTwoStatuses(t *testing.T) {
	status := func(changes, rows, calls, saved, writes int64, waits int, lag float64) standing {
		return standing{Status: engine.Status{Flow: "f", Sources: map[string]engine.SourceStatus{"docs": {ChangesTotal: changes, LagSeconds: lag}},
			Steps: map[string]engine.StepStatus{"vectors": {Rows: rows, CallsTotal: calls, MemoHitsTotal: saved, Pending: waits}},
			Sinks: map[string]engine.SinkStatus{"index": {UpsertsTotal: writes, DeletesTotal: 1, Outbox: waits, FreshnessMS: engine.Percentiles{P50: 3, P99: 9}}}}}
	}
	first := status(100, 100, 50, 50, 100, 0, 0)
	o := newObserved(first.Status)
	o.see(first.Status, status(110, 130, 60, 52, 120, 7, 2.5), time.Second)
	o.see(first.Status, status(120, 160, 80, 56, 140, 1, 0), 2*time.Second)
	want := &observed{Machine: o.Machine, Flow: "f", Seconds: 2,
		Sources: map[string]observedSource{"docs": {Changes: 20, ChangesPerSecond: 10, LagSecondsMost: 2.5}},
		Steps:   map[string]observedStep{"vectors": {RowsPerSecond: 30, Calls: 30, CallsPerSecond: 15, MemoHits: 6, PendingMost: 7}},
		Sinks:   map[string]observedSink{"index": {Writes: 40, WritesPerSecond: 20, OutboxMost: 7, FreshnessMS: engine.Percentiles{P50: 3, P99: 9}}}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
