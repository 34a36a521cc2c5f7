package expr_test

import (
	"testing"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// Whatever the text is, Compile yields a program or problems that point into the text, evaluation
// yields a value or an error, and the canonical form is one: compiling it gives the same program.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"row.path", `row.text != null && row.text.contains("x")`, "row.size + 1", "[row.path, row.text]",
		`row.?place.?city.orValue("")`, `{"a": row.doc}`, "row", "row.tags.map(t, t", "'é' + row.txt", "row.path == \"a", "\xff", "",
		"row.names.filter(n, n != null && n.size() > 1)", "-row.size", "has(row.place)", "row.made.getFullYear() == 2024",
		"row.vector[0] > 0.5", "timestamp('x')", "row.path.matches('[')", "b'a' == row.raw", "1u", "row.doc.a[0].b"} {
		f.Add(seed)
	}
	in := article()
	full, bare := row(f, articleJSON), row(f, bareJSON)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := expr.Compile(text, in, expr.Options{Cost: 10_000})
		if err != nil {
			for _, x := range stream.Problems(err) {
				if x.Code == "internal" || x.Hint == "" || x.Offset < 0 || x.Offset > len(text) {
					t.Fatalf("%q: bad problem %+v", text, x)
				}
			}
			return
		}
		again, err := expr.Compile(p.String(), in, expr.Options{})
		if err != nil {
			t.Fatalf("%q: its canonical form %q: %v", text, p, err)
		}
		if again.String() != p.String() || string(again.Logic()) != string(p.Logic()) {
			t.Fatalf("%q: canonical form %q, then %q", text, p, again)
		}
		if _, err := result(p, full); err == nil {
			_, _ = result(p, bare)
		}
	})
}
