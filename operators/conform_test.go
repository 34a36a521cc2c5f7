package operators_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// Every operator keeps the contract, whatever it is configured to do.
func TestOperatorsKeepTheContract(t *testing.T) {
	made := func(op stream.Operator, err error) stream.Operator {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	cases := map[string]stream.Operator{
		"filter":             made(operators.NewFilter(operators.FilterConfig{Condition: `row.text != null && row.text.contains("word")`})),
		"filter by a number": made(operators.NewFilter(operators.FilterConfig{Condition: `100 / row.size > 1`})),
		"map": made(operators.NewMap(operators.MapConfig{Columns: []operators.MapColumn{{Name: "body", Expression: "row.text"},
			{Name: "part", Expression: "100 / row.size"}, {Name: "label", Expression: `row.path + row.?media_type.orValue("")`}}})),
		"split recursively":  made(operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 40})),
		"split a made text":  made(operators.NewSplit(operators.SplitConfig{Text: `row.path + "\n\n" + row.?text.orValue("")`, By: "sentence", Size: 60, Overlap: 10})),
		"split markdown":     made(operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "markdown", Size: 40})),
		"split code by path": made(operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "code", Size: 60})),
		"embed":              made(operators.NewEmbed(operators.EmbedConfig{Text: "row.text"}, builtin(t, 64))),
		"embed a made text":  made(operators.NewEmbed(operators.EmbedConfig{Text: `row.path + row.?text.orValue("")`}, builtin(t, 64))),
	}
	rows := []cdc.Row{
		row(t, files(), `{"path":"a.md","text":"# Title\n\nA few words here. And there.\n\n## Part\n\nMore words, more words, more words.","size":50,"media_type":"text/markdown"}`),
		row(t, files(), `{"path":"b.go","text":"package b\n\nfunc A() int { return 1 }\n\nfunc B() int { return 2 }\n","size":10,"media_type":null}`),
		row(t, files(), `{"path":"c.txt","text":null,"size":0,"media_type":"text/plain"}`),
		row(t, files(), `{"path":"d.txt","text":"","size":0,"media_type":null}`),
		row(t, files(), `{"path":"e.txt","text":"word word word word word word word word word word word word","size":3,"media_type":null}`),
		row(t, files(), `{"path":"","text":"`+strings.Repeat("wörd 👩‍🔬 ", 40)+`","size":7,"media_type":"x"}`),
	}
	for name, op := range cases {
		t.Run(name, func(t *testing.T) {
			streamtest.TestOperator(t, streamtest.OperatorCase{Operator: op, Schema: files(), Rows: rows})
		})
	}
}
