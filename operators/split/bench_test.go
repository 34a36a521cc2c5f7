package split_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/freshet/freshet/operators/split"
)

// prose returns a book: English of about 570 kB, hard-wrapped, with a few characters beyond ASCII.
func prose(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "testdata", "Isaac.Newton-Opticks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// ignore is a yield that takes everything.
func ignore(split.Chunk) bool { return true }

func BenchmarkSplit(b *testing.B) {
	book := prose(b)
	program, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "net", "http", "server.go"))
	if err != nil {
		b.Fatal(err)
	}
	manual, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "cmd", "compile", "abi-internal.md"))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options split.Options
		text    string
	}{
		{"paragraph of 400 characters", split.Options{}, book[20000:20400]},
		{"prose recursively", split.Options{}, book},
		{"prose recursively with overlap", split.Options{Overlap: 100}, book},
		{"prose by sentence", split.Options{By: split.Sentence}, book},
		{"prose in tokens", split.Options{Unit: split.Tokens}, book},
		{"Markdown", split.Options{By: split.Markdown}, string(manual)},
		{"Go", split.Options{By: split.Code, Language: split.Go}, string(program)},
		{"Go recursively", split.Options{}, string(program)},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := splitter(b, c.options)
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				s.Split(c.text, ignore)
			}
		})
	}
}
