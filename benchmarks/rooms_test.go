package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const printed = `goos: linux
pkg: github.com/freshet/freshet/benchmarks/postgres
BenchmarkStream
BenchmarkStream/wide_rows-2         	       1	5037 ns/op	         0.9871 of-raw-wall	    123456 rows/s
BenchmarkStream/one-row_transactions-16  	       1	1.5e+09 ns/op	         1.02 of-raw-wall	    99 rows/s
BenchmarkSnapshot-2         	       1	5037 ns/op	         0.83 of-raw-wall
PASS
ok  	github.com/freshet/freshet/benchmarks/postgres	80.1s
`

func TestFiguresAreReadFromBenchmarksOfRooms(t *testing.T) {
	r := room{figures: []promise{
		{metric: "of-raw-wall", name: "over raw", unit: "times", target: 0.95},
		{of: "^wide", metric: "rows/s", name: "rows", unit: "rows/s", beside: "ns/op"},
		{metric: "absent"},
	}}
	got, err := r.read([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	want := []figure{
		{Name: "wide rows: over raw", Value: 0.9871, Unit: "times", Target: 0.95},
		{Name: "wide rows: rows", Value: 123456, Unit: "rows/s", Beside: 5037, BesideName: "ns/op"},
		{Name: "one-row transactions: over raw", Value: 1.02, Unit: "times", Target: 0.95},
		{Name: "over raw", Value: 0.83, Unit: "times", Target: 0.95},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, err := r.read([]byte("PASS\n")); err == nil {
		t.Errorf("a benchmark that printed nothing gives %v", got)
	}
}

func TestTheSpreadIsOfTheRunInTheMiddle(t *testing.T) {
	var runs [][]figure
	for _, v := range []float64{100, 90, 130} {
		runs = append(runs, []figure{{Name: "rate", Value: v}})
	}
	if got := medians(runs)[0]; got.Value != 100 || got.Spread != 0.4 {
		t.Errorf("the figure is %v ± %v", got.Value, got.Spread)
	}
}
