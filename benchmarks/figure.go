package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/freshet/freshet/internal/machine"
)

// figure is one line of the table.
type figure struct {
	Workload string  `json:"workload"`
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	// Target is the promise; 0: there is none. AtMost says that less is better.
	Target float64 `json:"target,omitempty"`
	AtMost bool    `json:"at_most,omitempty"`
	// CPU and Wall are the seconds that the measured part took, CPU on all cores together.
	CPU  float64 `json:"cpu_seconds,omitempty"`
	Wall float64 `json:"wall_seconds,omitempty"`
	// Beside is what was measured in the same process, in the same unit, and BesideName what it is.
	Beside     float64 `json:"beside,omitempty"`
	BesideName string  `json:"beside_name,omitempty"`
	// Spread is how far the runs lie apart, from the least to the greatest, as a part of the one in the middle.
	Spread float64 `json:"spread,omitempty"`
}

// ratio is how many times better than its target a figure is; 0 without a target.
func (f *figure) ratio() float64 {
	if f.Target == 0 || f.Value == 0 {
		return 0
	}
	if f.AtMost {
		return f.Target / f.Value
	}
	return f.Value / f.Target
}

func writeJSON(out io.Writer, figures []figure) error {
	e := json.NewEncoder(out)
	for _, f := range figures {
		if err := e.Encode(f); err != nil {
			return fmt.Errorf("write figures: %w", err)
		}
	}
	return nil
}

// writeTable writes figures for people.
func writeTable(out io.Writer, figures []figure, o options) error {
	size := "full size"
	if o.quick {
		size = "--quick, ten times smaller: targets are for the full size"
	}
	fmt.Fprintf(out, "%s\n%s, %s; median of %d\n\n", machine.Describe(), revision(), size, max(o.repeat, 1))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tfigure\tvalue\ttarget\ttimes better\tspread\tCPU s\twall s\tbeside it")
	last := ""
	for _, f := range figures {
		name := f.Workload
		if name == last {
			name = ""
		}
		last = f.Workload
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, f.Name, number(f.Value), f.Unit, f.targetText(), f.ratioText(), f.spreadText(),
			seconds(f.CPU), seconds(f.Wall), f.besideText())
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (f *figure) targetText() string {
	switch {
	case f.Target == 0:
		return "-"
	case f.AtMost:
		return "≤ " + number(f.Target)
	default:
		return "≥ " + number(f.Target)
	}
}

func (f *figure) ratioText() string {
	if r := f.ratio(); r > 0 {
		return strconv.FormatFloat(r, 'f', 2, 64)
	}
	return "-"
}

func (f *figure) spreadText() string {
	if f.Spread == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*f.Spread)
}

func (f *figure) besideText() string {
	if f.BesideName == "" {
		return "-"
	}
	if f.Beside == 0 {
		return f.BesideName
	}
	return fmt.Sprintf("%s: %s (%.2f)", f.BesideName, number(f.Beside), f.Value/f.Beside)
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return strconv.FormatFloat(s, 'f', 2, 64)
}

// number writes a value with three or more digits, thousands apart.
func number(v float64) string {
	if v != math.Trunc(v) && math.Abs(v) < 1000 {
		digits := 2
		if math.Abs(v) < 10 {
			digits = 3
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	var b strings.Builder
	for i, c := range text {
		if rest := len(text) - i; i > 0 && rest%3 == 0 && c >= '0' && text[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// revision names the code that was measured, as far as the build knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown revision"
	}
	commit, dirty, built := "unknown revision", "", " without cgo, as packages are"
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = " with changes"
			}
		case "CGO_ENABLED":
			if s.Value == "1" {
				built = " with cgo, as packages are not"
			}
		}
	}
	return commit + dirty + built
}
