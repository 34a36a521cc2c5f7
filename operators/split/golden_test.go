package split_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/freshet/freshet/operators/split"
)

var update = flag.Bool("update", false, "write the golden files anew; a change needs a new Version")

// Each file of testdata has options as its comment, a text, and the chunks that Version 1 makes of it.
func TestGolden(t *testing.T) {
	if split.Version != 1 {
		t.Fatalf("the golden files are of version 1, the package of %d", split.Version)
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	c := newChecker()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := splitter(t, optionsOf(t, string(archive.Comment)))
			text := string(archive.Files[0].Data)
			chunks := c.check(t, s, text)
			c.clusters(t, s.Options(), text, chunks)
			got := written(chunks)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "chunks", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
}

// optionsOf reads options like "by=code language=go size=100".
func optionsOf(t *testing.T, line string) split.Options {
	t.Helper()
	var o split.Options
	for _, field := range strings.Fields(line) {
		name, value, _ := strings.Cut(field, "=")
		var err error
		switch name {
		case "by":
			o.By, err = split.ParseBy(value)
		case "unit":
			o.Unit, err = split.ParseUnit(value)
		case "language":
			o.Language, err = split.ParseLanguage(value)
		case "size":
			_, err = fmt.Sscan(value, &o.Size)
		case "overlap":
			_, err = fmt.Sscan(value, &o.Overlap)
		default:
			t.Fatalf("unknown option %q", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// written writes chunks so that a reader of the golden file sees where they are cut.
func written(chunks []split.Chunk) string {
	var b strings.Builder
	for i, c := range chunks {
		fmt.Fprintf(&b, "[%d] %d-%d", i+1, c.Start, c.End)
		if c.Heading != "" {
			fmt.Fprintf(&b, " under %s", c.Heading)
		}
		fmt.Fprintf(&b, "\n%s\n", c.Text)
	}
	return b.String()
}
