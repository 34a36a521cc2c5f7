package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/sinks/jsonl"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// seen is a decision with its vector, as a function behind the embedding sees it.
type seen struct {
	What   string
	Vector *[256]float32
}

// TestAFunctionBehindTheEmbeddingSeesTheVector: rows carry a reference to a vector until somebody looks
// into it.
func TestAFunctionBehindTheEmbeddingSeesTheVector(t *testing.T) {
	type length struct {
		What   string
		Square float64
	}
	work := t.TempDir()
	f, err := program{minutes: "minutes", work: work}.flow()
	if err != nil {
		t.Fatal(err)
	}
	log, err := jsonl.New(jsonl.Options{Path: filepath.Join(work, "lengths.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	stream.Into(stream.Map(stream.As[seen](f, "vectors"), "lengths", stream.Version(1), func(s seen) (length, error) {
		l := length{What: s.What}
		for _, x := range s.Vector {
			l.Square += float64(x) * float64(x)
		}
		return l, nil
	}), "lengths-log", log, stream.SinkOptions{})
	plan, err := f.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := statestore.Open(filepath.Join(work, "state"), statestore.DBOptions{MemoryBytes: engine.StoreBytes(plan.Limits), DiskFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e, err := engine.Open(t.Context(), plan, db, engine.Options{Once: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(work, "lengths.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range all {
		var row struct {
			What   string
			Square float64
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row.What == "" || row.Square < 0.999 || row.Square > 1.001 {
			t.Errorf("%s: the vector of %q has the length %f, want one", line, row.What, row.Square)
		}
	}
	if len(all) != 4 {
		t.Errorf("%d rows, want one for each decision that can be read", len(all))
	}
}
