package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
)

// runApart runs a workload in a process of its own and reads its figures.
func runApart(ctx context.Context, w workload, o options, progress io.Writer) ([]figure, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	args := []string{"--in-process", "--json", "--only", w.name, "--dir", o.dir, "--cpuprofile", o.cpu, "--memprofile", o.mem}
	if o.quick {
		args = append(args, "--quick")
	}
	child := exec.CommandContext(ctx, program, args...)
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) } // it removes its files
	child.Stderr = progress
	out, err := child.Output()
	if err != nil {
		return nil, err
	}
	return readFigures(out)
}

func readFigures(out []byte) ([]figure, error) {
	var figures []figure
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var f figure
		err := d.Decode(&f)
		if errors.Is(err, io.EOF) {
			return figures, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		figures = append(figures, f)
	}
}

// medians takes of each figure the run in the middle, whole: value, processor time and what was measured
// beside it belong together.
func medians(runs [][]figure) []figure {
	result := make([]figure, len(runs[0]))
	for i := range result {
		same := make([]figure, 0, len(runs))
		for _, r := range runs {
			same = append(same, r[i])
		}
		slices.SortFunc(same, func(a, b figure) int {
			switch {
			case a.Value < b.Value:
				return -1
			case a.Value > b.Value:
				return 1
			}
			return 0
		})
		result[i] = same[len(same)/2]
		if middle := result[i].Value; middle != 0 {
			result[i].Spread = (same[len(same)-1].Value - same[0].Value) / math.Abs(middle)
		}
	}
	return result
}
