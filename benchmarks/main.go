package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
)

// workload is one benchmark.
type workload struct {
	name  string
	about string
	run   func(ctx context.Context, s scale) ([]figure, error)
}

// workloads are all benchmarks, in the order of the table.
func workloads() []workload {
	return []workload{
		{"unchanged", "rows that come again as they were", unchanged},
		{"memo-hits", "upserts whose texts have been embedded before", memoHits},
		{"keys", "one edit, and a restart, among few and many keys", keys},
		{"calls", "calls over the fewest possible, through edits, copies, reverts and restarts", calls},
		{"flood", "memory while a sink or a model does not keep up", flood},
		{"index", "durable upserts, churn and searches of the embedded index", index},
		{"device", "how busy a model is kept, through the batcher alone and through the whole engine", device},
		{"meaning", "the right answers that the built-in model finds, and how fast", meaning},
		{"million", "searches among a million vectors", million},
		{"flight", "vectors from workers", flightVectors},
		{"postgres", "the log of PostgreSQL beside a client that only reads it", postgresStream},
		{"snapshot", "first rows of PostgreSQL beside COPY", postgresSnapshot},
		{"freshness", "from a commit in PostgreSQL until a search finds it", postgresFreshness},
		{"debezium", "the same log beside Debezium", debeziums},
		{"kafka", "a topic beside loops over the client alone", kafkaSource},
		{"copy", "from topic to topic, in transactions, beside a loop over the client alone", kafkaCopy},
	}
}

// scale says how large a workload is to be, and where it may put its files.
type scale struct {
	dir      string
	quick    bool
	profiles string // folder for processor profiles; empty: none is taken
	workload string
}

// of is n, or a tenth of it with --quick.
func (s scale) of(n int) int {
	if s.quick {
		return n / 10
	}
	return n
}

// options are the flags.
type options struct {
	only, dir, cpu, mem string
	quick, json, inner  bool
	repeat              int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: error:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var o options
	f := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	f.SetOutput(progress)
	f.StringVar(&o.only, "only", "", "run one workload: "+strings.Join(names(), ", "))
	f.BoolVar(&o.quick, "quick", false, "ten times smaller")
	f.BoolVar(&o.json, "json", false, "print figures as JSON, one a line")
	f.IntVar(&o.repeat, "repeat", 1, "run each workload so often and show medians")
	f.StringVar(&o.dir, "dir", os.TempDir(), "folder for states, on the file system to be measured")
	f.StringVar(&o.cpu, "cpuprofile", "", "folder for a processor profile of each measured stretch")
	f.StringVar(&o.mem, "memprofile", "", "folder for an allocation profile of each workload")
	f.BoolVar(&o.inner, "in-process", false, "run in this process, not in one for each workload")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag", f.Arg(0))
	}
	if o.only != "" && !slices.Contains(names(), o.only) {
		return fmt.Errorf("choose workload: there is no %q; there are %s", o.only, strings.Join(names(), ", "))
	}
	var all []figure
	for _, w := range workloads() {
		if o.only != "" && w.name != o.only {
			continue
		}
		figures, err := measure(ctx, w, o, progress)
		if err != nil {
			return fmt.Errorf("run %s: %w", w.name, err)
		}
		all = append(all, figures...)
		if o.json {
			if err := writeJSON(out, figures); err != nil {
				return err
			}
		}
	}
	if o.json {
		return nil
	}
	return writeTable(out, all, o)
}

func names() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

// measure runs a workload as often as asked, each time in a process of its own.
func measure(ctx context.Context, w workload, o options, progress io.Writer) ([]figure, error) {
	if o.inner {
		return runHere(ctx, w, o)
	}
	var runs [][]figure
	for i := range max(o.repeat, 1) {
		fmt.Fprintf(progress, "%s: %s (%d/%d)\n", w.name, w.about, i+1, max(o.repeat, 1))
		figures, err := runApart(ctx, w, o, progress)
		if err != nil {
			return nil, err
		}
		runs = append(runs, figures)
	}
	return medians(runs), nil
}

// runHere runs a workload in this process, under the profiles that are asked for.
func runHere(ctx context.Context, w workload, o options) (figures []figure, err error) {
	dir, err := os.MkdirTemp(o.dir, "freshet-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder for states: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	figures, err = w.run(ctx, scale{dir: dir, quick: o.quick, profiles: o.cpu, workload: w.name})
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	for i := range figures {
		figures[i].Workload = w.name
	}
	if err != nil || o.mem == "" {
		return figures, err
	}
	return figures, writeAllocations(filepath.Join(o.mem, w.name+".mem.pprof"))
}

func writeAllocations(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make profile: %w", err)
	}
	defer file.Close()
	runtime.GC()
	if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}
