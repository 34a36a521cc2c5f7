package files_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/files"
)

func ExampleSource() {
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{"start.md": "# Start\n", "logo.svg": "<svg/>", "notes.md": "# Notes\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	source, err := files.New(files.Options{Path: dir, Include: []string{"**/*.md"}})
	if err != nil {
		panic(err)
	}
	in := cdctest.NewInlet() // stands for the engine
	start := in.Start()
	start.Once = true
	if err := source.Run(context.Background(), start, in); err != nil {
		panic(err)
	}
	for _, put := range in.Puts() {
		fmt.Printf("%s %s %q at %s\n", put.Op, put.Key.Text(), put.After.At(2).Text(), source.Describe(put.Position))
	}
	// Output:
	// update notes.md "# Notes\n" at 1
	// update start.md "# Start\n" at 2
}
