package flowfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/freshet/freshet/stream/flowfile"
)

// A fault of a flow file is shown with its line and what to do about it.
func ExampleParse() {
	text := `flow: docs
sources: {docs: {files: {path: ./docs}}}
steps:
  chunks: {from: docs, split: {text: row.text, by: markdwon}}
sinks: {log: {from: chunks, jsonl: {path: out.jsonl}}}
`
	_, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds()})
	var faults flowfile.Diagnostics
	if errors.As(err, &faults) {
		faults.Render(os.Stdout, false)
		fmt.Println("exit", faults.Exit())
	}
	// Output:
	// freshet: error: flow.yaml:4:52: "by" must be recursive, markdown, code or sentence, not "markdwon"
	//     4 |   chunks: {from: docs, split: {text: row.text, by: markdwon}}
	//       |                                                    ^~~~~~~~
	// freshet: hint: did you mean "markdown"?
	// exit 2
}

// A sound file plans: its sources are asked for their columns, and its expressions are checked.
func ExampleFile_Plan() {
	text := `flow: docs
sources: {docs: {files: {path: .}}}
steps: {large: {from: docs, filter: 'row.size > ${SMALL}'}}
sinks: {log: {from: large, jsonl: {path: out.jsonl}, columns: [path, size]}}
`
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds(), LookupEnv: func(name string) (string, bool) {
		return "4096", name == "SMALL"
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := f.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Flow, plan.Steps[0].Name, plan.Sinks[0].Inputs[0].Schema)
	// Output:
	// docs large {path string, size int}
}
