package expr_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/expr"
)

// benchRow has a text of 4 KB whose needle is at its end.
func benchRow(b *testing.B, bytes int) cdc.Row {
	long := strings.Repeat("lorem ipsum ", bytes/12) + "needle"
	return row(b, strings.Replace(articleJSON, "The quick brown fox", long, 1))
}

func BenchmarkBool(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"native-contains", `row.text != null && row.text.contains("needle")`},
		{"native-member", `row.mood in ["bad", "good"] && row.size > 3`},
		{"cel-matches", `row.path.matches("^a/.*md$")`},
		{"cel-macro", `row.?tags.orValue([]).exists(t, t == "blue")`},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, in := compile(b, c.text, cdc.Bool), benchRow(b, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := p.Bool(in); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkText(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"column", "row.text"}, {"concatenation", `row.path + "\n" + row.?text.orValue("")`}, {"cel", "row.path.lowerAscii()"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, in := compile(b, c.text, cdc.String), benchRow(b, 4096)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, _, err = p.Text(buf[:0], in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	in := article()
	for b.Loop() {
		if _, err := expr.Compile(`row.text != null && row.text.contains("needle")`, in, expr.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
