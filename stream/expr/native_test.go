package expr

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
)

func small() *cdc.Schema {
	text, number, flag := cdc.Type{Kind: cdc.String}, cdc.Type{Kind: cdc.Int64}, cdc.Type{Kind: cdc.Bool}
	return &cdc.Schema{Columns: []cdc.Column{{Name: "s", Type: text}, {Name: "t", Type: text.OrNull()},
		{Name: "n", Type: number}, {Name: "m", Type: number.OrNull()}, {Name: "f", Type: flag}, {Name: "g", Type: flag.OrNull()},
		{Name: "d", Type: cdc.Type{Kind: cdc.Decimal}}}}
}

var words = []string{"", "a", "b", "ab", "aé", "é", "ba\x00"}

func drawText(t *rapid.T) string {
	literal := rapid.SampledFrom(words).Draw(t, "literal")
	return rapid.SampledFrom([]string{"row.s", `row.?t.orValue("a")`, "row.d", quoted(literal)}).Draw(t, "text")
}

// drawCondition writes a condition of the forms that have a native path, guards included.
func drawCondition(t *rapid.T, depth int) string {
	literal := quoted(rapid.SampledFrom(words).Draw(t, "literal"))
	number := rapid.IntRange(-2, 2).Draw(t, "number")
	order := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(t, "order")
	equality := rapid.SampledFrom([]string{"==", "!="}).Draw(t, "equality")
	search := rapid.SampledFrom([]string{"contains", "startsWith", "endsWith"}).Draw(t, "search")
	forms := []string{
		"row.f", "row.g == true", "false " + equality + " row.g", "has(row.t)", "row.m " + equality + " null",
		fmt.Sprintf("row.s %s %s", order, literal), fmt.Sprintf("%s %s row.s", literal, order),
		fmt.Sprintf("row.t %s %s", equality, literal), fmt.Sprintf("row.n %s %d", order, number),
		fmt.Sprintf("%d %s row.n", number, order), fmt.Sprintf("row.m %s %d", equality, number),
		fmt.Sprintf("row.m != null && row.m %s %d", order, number),
		fmt.Sprintf(`row.t in [%s, "b"]`, literal), fmt.Sprintf("%s.%s(%s)", drawText(t), search, drawText(t)),
		fmt.Sprintf("row.t == null || row.t.%s(%s)", search, literal), "true",
	}
	if depth > 0 {
		a, b := drawCondition(t, depth-1), drawCondition(t, depth-1)
		forms = append(forms, "("+a+") && ("+b+")", "("+a+") || ("+b+")", "!("+a+")", "("+a+") && ("+b+")")
	}
	return rapid.SampledFrom(forms).Draw(t, "form")
}

func drawRow(t *rapid.T) cdc.Row {
	var b cdc.RowBuilder
	b.Text(rapid.SampledFrom(words).Draw(t, "s"))
	text, number := rapid.SampledFrom(words).Draw(t, "t"), int64(rapid.IntRange(-2, 2).Draw(t, "m"))
	if rapid.Bool().Draw(t, "t is null") {
		b.Null()
	} else {
		b.Text(text)
	}
	b.Int64(int64(rapid.IntRange(-2, 2).Draw(t, "n")))
	if rapid.Bool().Draw(t, "m is null") {
		b.Null()
	} else {
		b.Int64(number)
	}
	b.Bool(rapid.Bool().Draw(t, "f"))
	if rapid.Bool().Draw(t, "g is null") {
		b.Null()
	} else {
		b.Bool(rapid.Bool().Draw(t, "g"))
	}
	b.Text(rapid.SampledFrom([]string{"0", "1.50", "-2"}).Draw(t, "d"))
	return b.Build()
}

// The native path gives what CEL gives, for every expression that has one; and what the guards let
// through never meets a null in CEL.
func TestNativeConditionsAgreeWithCEL(t *testing.T) {
	native := 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawCondition(t, 2)
		p, err := Compile(text, small(), Options{Want: []cdc.Kind{cdc.Bool}})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if p.where != nil {
			native++
		}
		r := drawRow(t)
		got, err := p.Bool(r)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := false
		if err := p.eval(r, func(v ref.Val) error { want = v == types.True; return nil }); err != nil {
			t.Fatalf("%s in CEL: %v", text, err)
		}
		if got != want {
			t.Fatalf("%s: native %t, CEL %t", text, got, want)
		}
	})
	if native == 0 {
		t.Error("no expression took the native path")
	}
}

func TestNativeTextsAgreeWithCEL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]string, rapid.IntRange(1, 4).Draw(t, "parts"))
		for i := range parts {
			parts[i] = drawText(t)
		}
		if len(parts) > 1 && parts[0] == "row.d" && parts[1] == "row.d" {
			parts[0] = "row.s" // two decimals are not added as texts
		}
		text := strings.Join(parts, " + ")
		p, err := Compile(text, small(), Options{Want: []cdc.Kind{cdc.String}})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if p.parts == nil && p.column < 0 {
			t.Fatalf("%s has no native path", text)
		}
		r := drawRow(t)
		got, _, err := p.Text(nil, r)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := p.eval(r, func(v ref.Val) error {
			if string(got) != string(v.(types.String)) {
				t.Fatalf("%s: native %q, CEL %q", text, got, v)
			}
			return nil
		}); err != nil {
			t.Fatalf("%s in CEL: %v", text, err)
		}
	})
}
