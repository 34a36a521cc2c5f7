// Command python-call is the example of a function in Python that reads rows, and of when it is called again.
package main

import (
	"context"
	"os"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/internal/testenv"
)

func main() { scene.Play("python-call", play) }

func play(ctx context.Context, s *scene.Scene) {
	// The interpreter that has what workers need is the first one that the flow finds.
	python, err := testenv.FindPython()
	s.Check(err)
	s.Check(os.WriteFile(s.Path("python3"), []byte("#!/bin/sh\nexec "+python+" -B \"$@\"\n"), 0o700))
	s.Setenv("PATH", s.Path("")+string(os.PathListSeparator)+os.Getenv("PATH"))
	s.Setenv("XDG_CACHE_HOME", s.Path("cache"))
	run := func() {
		s.Rejects(ctx, "run", "flow.yaml", "--once")
		var status struct {
			Steps map[string]struct {
				Calls int `json:"calls_total"`
			}
		}
		s.Ask(ctx, &status, "status", "flow.yaml")
		s.Say("%d calls so far", status.Steps["facts"].Calls)
	}

	s.Act("three notes, one of which the function refuses")
	run()
	s.ShowRows("facts.jsonl")

	s.Act("a remark in the program: the function is the same")
	s.Edit("worker.py", "import re\n", "import re\n\n# a remark\n")
	run()

	s.Act("another function: each note is read anew")
	s.Edit("worker.py", "title[1].strip()", "title[1].strip().upper()")
	run()
	s.ShowRows("facts.jsonl")
}
