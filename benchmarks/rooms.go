package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// room is a benchmark that lies beside the tests of a package, since it starts the servers that they start.
type room struct {
	pkg, bench string
	time       string // of -benchtime
	figures    []promise
}

// promise is one figure of a room's benchmark: what its case and the metric are called there, and what is promised.
type promise struct {
	of     string // regular expression of the cases; empty: all, also the benchmark that has none
	metric string
	name   string // in the table, behind the case
	unit   string
	target float64
	atMost bool
	beside string // metric that is shown beside it
}

func postgresStream(ctx context.Context, s scale) ([]figure, error) {
	return room{"./benchmarks/postgres", "BenchmarkStream", "1x", []promise{
		{metric: "of-raw-wall", name: "rows/s over a raw drain's", unit: "times", target: 0.95},
		{metric: "of-raw-CPU", name: "CPU a row over a raw drain's", unit: "times", target: 1.5, atMost: true},
		{metric: "rows/s", name: "rows", unit: "rows/s"},
	}}.run(ctx, s)
}

func postgresSnapshot(ctx context.Context, s scale) ([]figure, error) {
	return room{"./benchmarks/postgres", "BenchmarkSnapshot", "1x", []promise{
		{metric: "of-COPY-wall", name: "rows/s over COPY BINARY to nowhere", unit: "times", target: 0.6},
	}}.run(ctx, s)
}

func postgresFreshness(ctx context.Context, s scale) ([]figure, error) {
	const tables, embedded = "^pgvector", "^embedded"
	return room{"./benchmarks/postgres", "BenchmarkFreshness", "1x", []promise{
		{of: tables, metric: "p50-ms", name: "commit to found, p50", unit: "ms", target: 15, atMost: true},
		{of: tables, metric: "p99-ms", name: "commit to found, p99", unit: "ms", target: 60, atMost: true},
		{of: embedded, metric: "own-p50-ms", name: "commit to searchable, p50", unit: "ms", target: 3, atMost: true},
		{of: embedded, metric: "own-p99-ms", name: "commit to searchable, p99", unit: "ms", target: 10, atMost: true},
		{of: embedded, metric: "p50-ms", name: "commit to found by a question, its own time included, p50", unit: "ms"},
	}}.run(ctx, s)
}

func debeziums(ctx context.Context, s scale) ([]figure, error) {
	return room{"./benchmarks/postgres", "BenchmarkDebezium", "1x", []promise{
		{metric: "times-less-CPU", name: "CPU a row below Debezium's", unit: "times", target: 4},
		{metric: "MiB", name: "memory", unit: "MiB", beside: "debezium-MiB"},
	}}.run(ctx, s)
}

func kafkaSource(ctx context.Context, s scale) ([]figure, error) {
	return room{"./benchmarks/kafka", "BenchmarkSource", "1x", []promise{
		{metric: "of-map-wall", name: "records/s over a loop that decodes", unit: "times", target: 0.9},
		{metric: "of-struct-wall", name: "records/s over a loop that decodes into a struct", unit: "times"},
	}}.run(ctx, s)
}

func kafkaCopy(ctx context.Context, s scale) ([]figure, error) {
	return room{"./benchmarks/kafka", "BenchmarkCopy", "1x", []promise{
		{metric: "of-bare-wall", name: "records/s over a bare transactional copy", unit: "times", target: 0.7},
	}}.run(ctx, s)
}

func flightVectors(ctx context.Context, s scale) ([]figure, error) {
	return room{"./accel/flight", "BenchmarkVectors", "3s", []promise{
		{of: "Go", metric: "rows/s", name: "vectors of 384 numbers", unit: "rows/s", target: 300_000},
		{of: "Python", metric: "rows/s", name: "vectors of 384 numbers", unit: "rows/s"},
	}}.run(ctx, s)
}

// run runs the benchmark from the root of the module and reads what it prints.
func (r room) run(ctx context.Context, _ scale) ([]figure, error) {
	test := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+r.bench+"$", "-benchtime", r.time, "-timeout", "2h", r.pkg)
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) } // it stops its servers
	out, err := test.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run %s in %s: %w\n%s", r.bench, r.pkg, err, out)
	}
	return r.read(out)
}

// read takes the figures from the lines of the benchmark.
func (r room) read(out []byte) ([]figure, error) {
	var figures []figure
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		name, metrics, ok := readLine(lines.Text())
		if !ok {
			continue
		}
		_, name, _ = strings.Cut(name, "/")
		for _, p := range r.figures {
			value, there := metrics[p.metric]
			if of, err := regexp.MatchString(p.of, name); !there || err != nil || !of {
				continue
			}
			f := figure{Name: strings.TrimPrefix(name+": "+p.name, ": "), Value: value, Unit: p.unit, Target: p.target, AtMost: p.atMost}
			if p.beside != "" {
				f.Beside, f.BesideName = metrics[p.beside], p.beside
			}
			figures = append(figures, f)
		}
	}
	if len(figures) == 0 {
		return nil, fmt.Errorf("read what %s in %s prints: it has no figures; `make servers` installs what it needs\n%s", r.bench, r.pkg, out)
	}
	return figures, nil
}

// readLine reads a line such as `BenchmarkStream/wide_rows-2  1  5 ns/op  7 rows/s`. The name comes without the number of
// processors and with its spaces.
func readLine(line string) (name string, metrics map[string]float64, ok bool) {
	words := strings.Fields(line)
	if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
		return "", nil, false
	}
	name = words[0]
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i]
		}
	}
	metrics = map[string]float64{}
	for i := 2; i+1 < len(words); i += 2 {
		value, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return "", nil, false
		}
		metrics[words[i+1]] = value
	}
	return strings.ReplaceAll(name, "_", " "), metrics, true
}
