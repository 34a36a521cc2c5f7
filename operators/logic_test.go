package operators_test

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/operators/split"
)

// The golden texts are what states in the field were fingerprinted with: a change of one of them makes
// every row behind such a step be derived again.
func TestLogicIsStable(t *testing.T) {
	filter, err := operators.NewFilter(operators.FilterConfig{Condition: "row.size   > 0x10 && row.path != 'x'"})
	f := bind(t, filter, err, files())
	mapped, err := operators.NewMap(operators.MapConfig{Columns: []operators.MapColumn{{Name: "n", Expression: "row.size*2"}}})
	m := bind(t, mapped, err, files())
	splitting, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "markdown", Unit: "chars"})
	s := bind(t, splitting, err, files())
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"filter", f.Logic(), "filter 1\n5row.size > 16 && row.path != \"x\"\npath string\nsize int"},
		{"map", m.Logic(), "map 1\n\x01n\x15row.size * 2\nsize int"},
		{"split", s.Logic(), "split 1\nTalgorithm " + strconv.Itoa(split.Version) + " by markdown size 1000 overlap 0 unit chars language none replaces \"text\"" +
			"\x14row.text\ntext string"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strconv.Quote(string(c.got)), strconv.Quote(c.want))
		}
	}
}

func TestLogicIsSensitiveToWhatMatters(t *testing.T) {
	of := func(c operators.SplitConfig) []byte {
		op, err := operators.NewSplit(c)
		return bind(t, op, err, files()).Logic()
	}
	base := operators.SplitConfig{Text: "row.text"}
	same := operators.SplitConfig{Text: " row.text ", By: "recursive", Unit: "chars", Size: 1000}
	if !bytes.Equal(of(base), of(same)) {
		t.Error("spelling out the defaults changes the logic")
	}
	code := operators.SplitConfig{Text: "row.text", By: "code", Language: "auto"}
	if !bytes.Equal(of(code), of(operators.SplitConfig{Text: "row.text", By: "code"})) {
		t.Error("writing auto changes the logic")
	}
	for _, c := range []operators.SplitConfig{{Text: "row.path"}, {Text: "row.text", Size: 999}, {Text: "row.text", Overlap: 1},
		{Text: "row.text", By: "sentence"}, {Text: "row.text", By: "code"}, {Text: "row.text", By: "code", Language: "go"},
		{Text: `row.?text.orValue("")`}} {
		if bytes.Equal(of(base), of(c)) {
			t.Errorf("%+v has the logic of %+v", c, base)
		}
	}
}
