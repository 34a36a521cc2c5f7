package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) benchVerb() *cobra.Command {
	var rows int
	var seconds float64
	cmd := &cobra.Command{
		Use:   "bench [FLOW]",
		Short: "Measure throughput, freshness and search: of a running flow, or of a built-in workload",
		Long: `Bench without a flow measures this machine: it writes a folder of documents, runs a
flow over it (sections, vectors of the built-in model, an embedded index), edits one
document after the other and asks questions. Folder and state lie in the folder for
temporary files (TMPDIR) and are removed at the end. No network is used.

Bench with a flow watches what the running flow does meanwhile, and how fresh its
sinks are. It makes no rows of its own, so that no source is written to and no
target touched.`,
		Example: "  freshet bench\n  freshet bench --rows 20000\n  freshet bench flow.yaml --seconds 60",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return takes("flow file")(cmd, args)
		},
	}
	cmd.Flags().IntVar(&rows, "rows", 2000, "documents of the built-in workload")
	cmd.Flags().Float64Var(&seconds, "seconds", 10, "how long a flow is watched, or documents are edited and questions asked")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		if rows < 1 || rows > benchRowsMax {
			return result{}, usage(fmt.Sprintf("ask for 1 to %d documents", benchRowsMax), "--rows is %d", rows)
		}
		if seconds <= 0 || seconds > benchSecondsMax {
			return result{}, usage(fmt.Sprintf("ask for more than 0 and at most %d seconds", benchSecondsMax), "--seconds is %g", seconds)
		}
		lasting := time.Duration(seconds * float64(time.Second))
		if len(args) == 1 {
			if cmd.Flags().Changed("rows") {
				return result{}, usage("leave it out: what the flow does meanwhile is measured", "--rows is about the built-in workload")
			}
			w, err := c.watching(cmd.Context(), args[0], lasting)
			return result{data: w, text: func(out io.Writer) { showObserved(out, w) }}, err
		}
		b, err := c.bench(cmd.Context(), rows, lasting)
		return result{data: b, text: func(out io.Writer) { showBench(out, b) }}, err
	})
	return cmd
}

// Bounds of what can be asked.
const (
	benchRowsMax    = 1_000_000
	benchSecondsMax = 24 * 60 * 60
)

// benched are the figures of the built-in workload.
type benched struct {
	Machine string `json:"machine"`
	Version string `json:"version"`
	// The first load: documents are in the folder when the flow starts.
	Rows          int     `json:"rows"`
	TextBytes     int64   `json:"text_bytes"`
	Embeddings    int64   `json:"embeddings"`
	LoadSeconds   float64 `json:"load_seconds"` // until all of them can be found
	LoadCPU       float64 `json:"load_cpu_seconds"`
	RowsPerSecond float64 `json:"rows_per_second"`
	EmbedPerSec   float64 `json:"embeddings_per_second"`
	// Edits, one after the other: from the rename that puts a document in place until the index holds it.
	Edits       int                `json:"edits"`
	FreshnessMS engine.Percentiles `json:"freshness_ms"`
	// Questions, one after the other, embedded and searched for in this process.
	Searches   int                `json:"searches"`
	SearchMS   engine.Percentiles `json:"search_ms"`
	PeakMemory int64              `json:"peak_memory_bytes,omitempty"` // of the process; absent where the system does not tell
	StateBytes int64              `json:"state_bytes"`                 // of state, results and index on disk
}

func showBench(w io.Writer, b *benched) {
	fmt.Fprintf(w, "freshet %s on %s\n%s, %s of text in a folder: sections, built-in vectors, embedded index\n\n", b.Version, b.Machine,
		console.Counted(int64(b.Rows), "document", "documents"), stream.Bytes(b.TextBytes))
	rows := [][]string{
		{"load", fmt.Sprintf("%s documents/s", grouped(int64(b.RowsPerSecond))), fmt.Sprintf("%s embeddings/s, %.1f s in all, %.1f s of processor time", grouped(int64(b.EmbedPerSec)), b.LoadSeconds, b.LoadCPU)},
		{"freshness", fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", b.FreshnessMS.P50, b.FreshnessMS.P99), fmt.Sprintf("%s, from the file in place to the index that holds it", console.Counted(int64(b.Edits), "edit", "edits"))},
		{"search", fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", b.SearchMS.P50, b.SearchMS.P99), fmt.Sprintf("%s among %s, embedding included", console.Counted(int64(b.Searches), "question", "questions"), console.Counted(b.Embeddings, "row", "rows"))},
	}
	if b.PeakMemory > 0 {
		rows = append(rows, []string{"memory", stream.Bytes(b.PeakMemory).String(), "at most, of the whole process"})
	}
	table(w, append(rows, []string{"state", stream.Bytes(b.StateBytes).String(), "rows, results and index on disk"}))
}

// percentilesOf are those of durations, in milliseconds.
func percentilesOf(times []time.Duration) engine.Percentiles {
	if len(times) == 0 {
		return engine.Percentiles{}
	}
	slices.Sort(times)
	at := func(share int) float64 {
		return float64(times[min(len(times)-1, len(times)*share/100)].Microseconds()) / 1000
	}
	return engine.Percentiles{P50: at(50), P99: at(99)}
}

// bench runs the built-in workload.
func (c *cli) bench(ctx context.Context, rows int, lasting time.Duration) (*benched, error) {
	b := &benched{Machine: machine.Describe(), Version: thisBuild().Version, Rows: rows}
	if err := c.workload(ctx, b, lasting); err != nil {
		return nil, err
	}
	if most, err := machine.PeakMemory(); err == nil {
		b.PeakMemory = most
	}
	return b, nil
}
