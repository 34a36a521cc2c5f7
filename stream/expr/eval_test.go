package expr_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/expr"
)

func TestEvalYieldsTheValueOfItsType(t *testing.T) {
	full, bare := row(t, articleJSON), row(t, bareJSON)
	for _, c := range []struct{ text, full, bare string }{
		{"row.path", `"a/b.md"`, `"c.md"`},
		{"row.text", `"The quick brown fox"`, "null"},
		{"row.price", `"12.50"`, `"0"`},
		{"double(row.price) * 2.0", "25", "0"},
		{"row.id", `"0f8fad5b-d9cb-469f-a165-70867728950e"`, `"00000000-0000-0000-0000-000000000000"`},
		{`row.id + "!"`, `"0f8fad5b-d9cb-469f-a165-70867728950e!"`, `"00000000-0000-0000-0000-000000000000!"`},
		{"row.raw", `"aGk="`, `""`},
		{"size(row.raw)", "2", "0"},
		{"row.due", `"2024-12-31"`, "null"},
		{"row.due != null ? row.due : row.made", `"2024-12-31T00:00:00Z"`, `"1970-01-01T00:00:00Z"`},
		{"row.made.getFullYear()", "2024", "1970"},
		{"row.made", `"2024-05-06T07:08:09.123456Z"`, `"1970-01-01T00:00:00Z"`},
		{"row.doc", `{"n": 9007199254740993, "x": 1.5, "list": [1, "two", null]}`, "null"},
		{"row.doc != null ? row.doc.n : 0", "9007199254740993", "0"},
		{"row.doc != null ? row.doc.list : []", `[1,"two",null]`, "[]"},
		{"row.doc != null && has(row.doc.y)", "false", "false"},
		{"row.vector", "[0.5,-1]", "null"},
		{"row.vector != null ? row.vector[1] : 0.0", "-1", "0"},
		{"row.tags", `["red","blue"]`, "null"},
		{`row.?tags.orValue([]).map(t, t + "!")`, `["red!","blue!"]`, "[]"},
		{`row.?tags.orValue([]).join("+")`, `"red+blue"`, `""`},
		{"row.names.filter(n, n != null)", `["ann"]`, "[]"},
		{"row.names", `["ann",null]`, "[]"},
		{"row.place", `{"city":"Oslo","zip":150}`, "null"},
		{"row.place != null ? row.place.zip : -1", "150", "-1"},
		{"row.place != null && row.place.city != null ? row.place.city : row.mood", `"Oslo"`, `"bad"`},
		{`row.?place.?city.orValue("nowhere")`, `"Oslo"`, `"nowhere"`},
		{"has(row.place)", "true", "false"},
		{`{"b": row.size, "a": [row.path]}`, `{"a":["a/b.md"],"b":19}`, `{"a":["c.md"],"b":0}`},
		{`row.path.lowerAscii().split("/")`, `["a","b.md"]`, `["c.md"]`},
		{"row.rank == null", "false", "true"},
		{"row.rank != 3", "false", "true"},
		{"math.greatest(row.size, 7)", "19", "7"},
		{`row.text in ["x", null]`, "false", "true"},
	} {
		p := compile(t, c.text)
		for _, x := range []struct {
			row  cdc.Row
			want string
		}{{full, c.full}, {bare, c.bare}} {
			got, err := result(p, x.row)
			if err != nil || got != x.want {
				t.Errorf("%s is %s (%v), want %s", c.text, got, err, x.want)
			}
		}
	}
}

func TestTheRowItselfIsAStructOfItsColumns(t *testing.T) {
	p, in := compile(t, "row"), row(t, articleJSON)
	v, err := p.Eval(in)
	if err != nil || string(v.Raw) != string(in) || len(p.Type().Fields) != len(article().Columns) {
		t.Errorf("got %x of %s (%v), want the row", v.Raw, p.Type(), err)
	}
}

func TestConditionsTakeNullForFalse(t *testing.T) {
	bare := row(t, bareJSON)
	for _, text := range []string{"row.flag", "row.live ? true : row.flag", `row.text == "x"`} {
		if got, err := compile(t, text, cdc.Bool).Bool(bare); got || err != nil {
			t.Errorf("%s is %t (%v), want false", text, got, err)
		}
	}
}

func TestTextIsAppendedAndNullIsTold(t *testing.T) {
	full, bare := row(t, articleJSON), row(t, bareJSON)
	for _, c := range []struct {
		text, want string
		in         cdc.Row
		null       bool
	}{
		{"row.text", "The quick brown fox", full, false},
		{"row.text", "", bare, true},
		{"row.price", "12.50", full, false},
		{"row.id", "0f8fad5b-d9cb-469f-a165-70867728950e", full, false},
		{`row.path + "\n" + row.mood`, "a/b.md\ngood", full, false},
		{`row.?text.orValue("-") + row.path`, "-c.md", bare, false},
		{"row.live ? row.text : row.text", "", bare, true},
		{"string(row.size)", "19", full, false},
	} {
		p := compile(t, c.text, cdc.String)
		got, null, err := p.Text([]byte("="), c.in)
		if err != nil || null != c.null || string(got) != "="+c.want {
			t.Errorf("%s is %q, null %t (%v), want %q, null %t", c.text, got, null, err, "="+c.want, c.null)
		}
		view, _, null, err := p.TextView(nil, c.in)
		if err != nil || null != c.null || string(view) != c.want {
			t.Errorf("the view of %s is %q, null %t (%v), want %q, null %t", c.text, view, null, err, c.want, c.null)
		}
	}
}

// marked is the article with a field in another state.
func marked(t *testing.T, name string, state cdc.State) cdc.Row {
	in, at := row(t, articleJSON), article().Index(name)
	var b cdc.RowBuilder
	for i := range in.Len() {
		switch {
		case i != at:
			b.Value(in.At(i))
		case state == cdc.Reference:
			b.Reference([]byte("0123456789abcdef"))
		default:
			b.Unchanged()
		}
	}
	return b.Build()
}

func TestValuesThatAreNotHereAreNeverTakenForOthers(t *testing.T) {
	for _, state := range []cdc.State{cdc.Unchanged, cdc.Reference} {
		in := marked(t, "text", state)
		for _, text := range []string{`row.?text.orValue("") == "a"`, `row.text == "a"`, `row.text in ["a"]`,
			`row.text != null && row.text.contains("a")`} {
			if got, err := compile(t, text, cdc.Bool).Bool(in); err == nil {
				t.Errorf("%s of a text in state %d is %t, want an error", text, state, got)
			}
		}
		if _, _, err := compile(t, `row.path + row.?text.orValue("")`, cdc.String).Text(nil, in); err == nil {
			t.Errorf("a text is made of a column in state %d", state)
		}
	}
}

func TestAReferenceIsPassedOnAndIsNotNull(t *testing.T) {
	in := marked(t, "vector", cdc.Reference)
	v, err := compile(t, "row.vector").Eval(in)
	if err != nil || v.State != cdc.Reference || string(v.Raw) != "0123456789abcdef" {
		t.Errorf("got %v (%v), want the reference", v, err)
	}
	if ok, err := compile(t, "row.vector != null && row.size > 1 || row.path.matches('^x')").Bool(in); !ok || err != nil {
		t.Errorf("a reference counts as null: %t, %v", ok, err)
	}
}

func TestEvaluationErrorsNameTheExpression(t *testing.T) {
	in := row(t, articleJSON)
	for _, c := range []struct{ text, says string }{
		{"row.size / (row.size - 19)", "division by zero"},
		{"row.tags != null ? row.tags[7] : row.path", "index out of bounds"},
		{"int(row.path)", "type conversion error"},
		{"row.doc != null ? row.doc.nothing.more : 1", "no such key"},
	} {
		_, err := compile(t, c.text).Eval(in)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "evaluate ") {
			t.Errorf("%s: %v, want an error that says %q", c.text, err, c.says)
		}
	}
}

func TestWorkForOneRowIsBounded(t *testing.T) {
	list := "[" + strings.Repeat("1,", 199) + "1]"
	p, err := expr.Compile(list+".all(a, "+list+".all(b, "+list+".all(c, a + b + c + row.size > 0)))", article(),
		expr.Options{Cost: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bool(row(t, articleJSON)); err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("got %v, want the cost limit", err)
	}
}

func TestProgramsAreSafeForConcurrentUse(t *testing.T) {
	p := compile(t, `row.?tags.orValue([]).exists(t, row.path.contains(t)) || row.path.matches("^c")`)
	full, bare := row(t, articleJSON), row(t, bareJSON)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				for r, want := range map[*cdc.Row]bool{&full: false, &bare: true} {
					if got, err := p.Bool(*r); got != want || err != nil {
						t.Errorf("got %t (%v), want %t", got, err, want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
