package operators_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func TestFilterKeepsRowsAndCarriesWhatIsRead(t *testing.T) {
	in := files()
	op, err := operators.NewFilter(operators.FilterConfig{Condition: `row.text != null && row.text.contains("needle")`})
	for _, c := range []struct {
		name   string
		keep   []string
		object string
		want   []string
	}{
		{"a row that matches", nil, `{"path": "a", "text": "a needle", "size": 8}`,
			[]string{`{"path":"a","text":"a needle","size":8,"media_type":null}`}},
		{"a row that does not", nil, `{"path": "a", "text": "hay", "size": 3}`, nil},
		{"a null is false", nil, `{"path": "a", "size": 0}`, nil},
		{"the key and what is read", []string{"size"}, `{"path": "a", "text": "a needle", "size": 8}`, []string{`{"path":"a","size":8}`}},
		{"the key alone", []string{"none"}, `{"path": "a", "text": "a needle", "size": 8}`, []string{`{"path":"a"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bind(t, op, err, in, c.keep...)
			if diff := cmp.Diff(c.want, apply(t, b, row(t, in, c.object))); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"text"}, b.Reads()); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnErrorOfAFilterRejectsTheRow(t *testing.T) {
	in := files()
	op, err := operators.NewFilter(operators.FilterConfig{Condition: "100 / row.size > 1"})
	b := bind(t, op, err, in)
	var out stream.Rows
	fails := b.(stream.Mapper).Map(row(t, in, `{"path": "a", "size": 0}`), &out)
	if fails == nil || !strings.Contains(fails.Error(), "division by zero") || out.Len() != 0 {
		t.Errorf("got %v and %d rows, want a division by zero and none", fails, out.Len())
	}
}
