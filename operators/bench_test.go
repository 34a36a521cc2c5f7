package operators_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func benchMap(b *testing.B, bound stream.Bound, object string) {
	in := row(b, files(), object)
	m := bound.(stream.Mapper)
	var out stream.Rows
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := m.Map(in, &out); err != nil || out.Len() == 0 {
			b.Fatal(out.Len(), err)
		}
	}
}

func BenchmarkFilterContains(b *testing.B) {
	op, err := operators.NewFilter(operators.FilterConfig{Condition: `row.text != null && row.text.contains("needle")`})
	benchMap(b, bind(b, op, err, files()), text(strings.Repeat("hay ", 100)+"needle"))
}

func BenchmarkMapThreeColumns(b *testing.B) {
	op, err := operators.NewMap(operators.MapConfig{Columns: []operators.MapColumn{{Name: "body", Expression: "row.text"},
		{Name: "large", Expression: "row.size > 10"}, {Name: "label", Expression: `row.path + ": " + row.?media_type.orValue("")`}}})
	benchMap(b, bind(b, op, err, files()), text(strings.Repeat("hay ", 100)))
}

func BenchmarkSplit(b *testing.B) {
	paragraphs := ""
	for i := range 4 {
		paragraphs += fmt.Sprintf("Paragraph %d has some words in it, so that it is about a hundred characters long, as they often are.\n\n", i)
	}
	for _, c := range []struct {
		name string
		size int
	}{{"one-chunk", 1000}, {"four-chunks", 120}} {
		b.Run(c.name, func(b *testing.B) {
			op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: c.size})
			benchMap(b, bind(b, op, err, files(), "chunk"), text(paragraphs))
		})
	}
}

func BenchmarkEmbedInput(b *testing.B) {
	c := caller(b, operators.EmbedConfig{Text: `row.path + "\n" + row.?text.orValue("")`}, builtin(b, 64))
	in := row(b, files(), text(strings.Repeat("word ", 80)))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		var err error
		if buf, ok, err = c.Input(buf[:0], in); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
