package operators_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// nameless is a model that makes no vectors.
type nameless struct{ stream.Model }

func (nameless) Name() string { return "chat" }

func TestFaultsOfConfigurationsPointAtTheirKey(t *testing.T) {
	filter := func(c string) error { return build(operators.NewFilter(operators.FilterConfig{Condition: c})) }
	mapped := func(c ...operators.MapColumn) error {
		return build(operators.NewMap(operators.MapConfig{Columns: c}))
	}
	split := func(c operators.SplitConfig) error { return build(operators.NewSplit(c)) }
	embed := func(c operators.EmbedConfig) error { return build(operators.NewEmbed(c, builtin(t, 16))) }
	for _, c := range []struct {
		name string
		err  error
		want []fault
	}{
		{"a filter that is no condition", filter("row.size + 1"), []fault{{"expression_type", "", 0,
			"compare it, such as row.size + 1 > 0"}}},
		{"a filter of an unknown column", filter(`row.path == "a" && row.sise > 1`), []fault{{"unknown_column", "", 23,
			`did you mean "size"?`}}},
		{"a filter that takes null for a text", filter(`row.text.contains("x")`), []fault{{"null_misuse", "", 4,
			`guard it: row.text != null && row.text.contains("x")`}}},
		{"a map without columns", mapped(), []fault{{"missing_key", "", 0, "write {column: expression}, such as {body: row.text}"}}},
		{"a map that changes the key", mapped(operators.MapColumn{Name: "path", Expression: "row.path + '!'"}),
			[]fault{{"bad_value", "path", 0, "give the column another name, or write row.path"}}},
		{"a map with faults in two columns", mapped(operators.MapColumn{Name: "a", Expression: "row.txt"},
			operators.MapColumn{Name: "b", Expression: "1 +"}), []fault{{"unknown_column", "a", 4, `did you mean "text"?`},
			{"expression_syntax", "b", 3, `complete it after "1 +"`}}},
		{"a map with a doubled column", mapped(operators.MapColumn{Name: "a", Expression: "1"},
			operators.MapColumn{Name: "a", Expression: "2"}), []fault{{"duplicate_name", "a", 0, "give each column a name of its own"}}},
		{"a map with a name of the sinks", mapped(operators.MapColumn{Name: "_key", Expression: "1"}), []fault{{"bad_value", "_key", 0,
			"names that begin with _ are kept for what sinks add, such as _key and _version"}}},
		{"a split of an unknown column", split(operators.SplitConfig{Text: "row.txt"}), []fault{{"unknown_column", "text", 4,
			`did you mean "text"?`}}},
		{"a split of a number", split(operators.SplitConfig{Text: "row.size"}), []fault{{"expression_type", "text", 0,
			"write string(row.size)"}}},
		{"an overlap as large as the size", split(operators.SplitConfig{Text: "row.text", Size: 600, Overlap: 600}),
			[]fault{{"bad_value", "overlap", 0, "use 599 or less; a tenth of size is usual"}}},
		{"an unknown manner and unit", split(operators.SplitConfig{Text: "row.text", By: "lines", Unit: "bytes"}),
			[]fault{{"bad_value", "by", 0, "use recursive, markdown, code or sentence"}, {"bad_value", "unit", 0, "use chars or tokens"}}},
		{"a language that is not read", split(operators.SplitConfig{Text: "row.text", Language: "auto"}),
			[]fault{{"bad_value", "language", 0, "leave it out, or write by: code"}}},
		{"an embed of a number and a text", embed(operators.EmbedConfig{Text: "row.path + 5"}), []fault{{"expression_type", "text", 9,
			"join texts only: write string(…) around the other operand"}}},
		{"an embed into the key", embed(operators.EmbedConfig{Text: "row.text", As: "path"}), []fault{{"bad_value", "as", 0,
			"name another column, such as as: text_path"}}},
		{"an embed by a model without vectors", build(operators.NewEmbed(operators.EmbedConfig{Text: "row.text"}, nameless{})),
			[]fault{{"bad_value", "model", 0, "name an embedding model"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, faultsOf(c.err), cmp.AllowUnexported(fault{})); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplittingCodeNeedsALanguageOrAPath(t *testing.T) {
	in := files()
	in.Columns[0].Name = "id"
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "code"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = op.Bind(in, keeping())
	want := []fault{{"missing_key", "language", 0,
		"write language: go (or another), as there is no column path whose extension would tell it"}}
	if diff := cmp.Diff(want, faultsOf(err), cmp.AllowUnexported(fault{})); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
