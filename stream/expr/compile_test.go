package expr_test

import (
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

func TestCompileTellsTypeColumnsAndCanonicalForm(t *testing.T) {
	for _, c := range []struct{ name, text, typ, reads, canonical string }{
		{"a column has its own type", "row.price", "decimal", "price", "row.price"},
		{"a column that may be null stays so", "row.text", "string?", "text", "row.text"},
		{"white space does not matter", "  row.path\n+ \t'x'", "string", "path", `row.path + "x"`},
		{"quotes and brackets do not matter", `((row.path) + ('x'))`, "string", "path", `row.path + "x"`},
		{"numbers are normalised", "row.size + 0x10", "int", "size", "row.size + 16"},
		{"a computed date is a timestamp", "row.due != null ? row.due : row.made", "timestamp", "made due",
			"(row.due != null) ? row.due : row.made"},
		{"a list of columns", "[row.path, row.mood]", "[string]", "path mood", "[row.path, row.mood]"},
		{"a list that may hold null", "[row.path, row.text]", "[string?]", "path text", "[row.path, row.text]"},
		{"nulls filtered out of a list", "[row.path, row.text].filter(x, x != null)", "[string]", "path text",
			"[row.path, row.text].filter(x, x != null)"},
		{"a map becomes json", `{"p": row.path, "s": row.size}`, "json", "path size", `{"p": row.path, "s": row.size}`},
		{"a field of json may be null", "row.doc != null ? row.doc.x : 1", "json?", "doc", "(row.doc != null) ? row.doc.x : 1"},
		{"a field of a struct", "row.place != null ? row.place.zip : 0", "int", "place", "(row.place != null) ? row.place.zip : 0"},
		{"a default for null", `row.?text.orValue("-")`, "string", "text", `row.?text.orValue("-")`},
		{"columns in the order of the schema", `row.mood + row.path + row.mood`, "string", "path mood",
			"row.mood + row.path + row.mood"},
		{"the variable of a macro hides the row", `["a"].exists(row, row == "a")`, "bool", "", `["a"].exists(row, row == "a")`},
		{"the bare row reads everything", "row == row", "bool", list(article().Names()), "row == row"},
		{"an int can be compared with a double", "row.size > 1.5", "bool", "size", "row.size > 1.5"},
		{"a column that is never null may be guarded", "row.path != null", "bool", "path", "row.path != null"},
		{"a list can be compared with null", "row.tags == null || row.tags.size() > 1", "bool", "tags",
			"row.tags == null || row.tags.size() > 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := compile(t, c.text)
			if got := p.Type().String(); got != c.typ {
				t.Errorf("type %s, want %s", got, c.typ)
			}
			if got := list(p.Reads()); got != c.reads {
				t.Errorf("reads %q, want %q", got, c.reads)
			}
			if got := p.String(); got != c.canonical {
				t.Errorf("canonical form %s, want %s", got, c.canonical)
			}
		})
	}
}

func TestCompileRefusesWhatCannotBeMeant(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       cdc.Kind
		code       string
		offset     int
		message    string
		hint       string
	}{
		{"an unknown column", "row.txt", cdc.String, "unknown_column", 4, `there is no column "txt"`, `did you mean "text"?`},
		{"an unknown column behind letters of two bytes", "'é' + row.txt", 0, "unknown_column", 11, `there is no column "txt"`,
			`did you mean "text"?`},
		{"an unknown column with a default", `row.?txt.orValue("")`, 0, "unknown_column", 5, `there is no column "txt"`,
			`did you mean "text"?`},
		{"an unknown field", "row.place != null && row.place.zpi > 1", 0, "unknown_column", 31,
			`there is no field of row.place "zpi"`, `did you mean "zip"?`},
		{"a column without row", "text", 0, "unknown_column", 0, `"text" is not known`, "columns are written row.text"},
		{"a name that is nothing", "nowhere.to.be", 0, "unknown_column", 0, `"nowhere" is not known`,
			"the only variable is row: write row.path, and texts in quotes"},
		{"a misspelt function", `row.path.contian("x")`, 0, "expression_type", 16, `there is no function "contian"`,
			`did you mean "contains"?`},
		{"an end too early", "row.path +", 0, "expression_syntax", 10, "the expression ends too early",
			`complete it after "row.path +"`},
		{"a text that does not end", `row.path == "a`, 0, "expression_syntax", 12, "this is not understood",
			`texts are quoted on both ends by ' or "; check the expression near "row.path == \"a"`},
		{"one sign of equality", `row.path = "a"`, 0, "expression_syntax", 9, "= cannot stand here", "equality is written =="},
		{"nothing", " ", 0, "expression_syntax", 0, "the expression is empty", "write an expression, such as row.path"},
		{"a text and a number added", "row.path + 5", 0, "expression_type", 9, "+ does not take string and int",
			"join texts only: write string(…) around the other operand"},
		{"a text and a number compared", "row.path == 5", 0, "expression_type", 9, "== does not take string and int",
			"compare values of one type: write string(…), int(…) or double(…) around one of them"},
		{"a decimal and a number compared", "row.price > 5", 0, "expression_type", 10, "> does not take string and int",
			"a decimal reads as text: write double(row.price)"},
		{"a decimal and a number held against each other", "row.price == 5", 0, "expression_type", 10, "== does not take string and int",
			"a decimal reads as text: write double(row.price), or give a text to compare with"},
		{"decimals added", "row.price + row.price", 0, "expression_type", 10, "two decimals are joined here as texts, not added",
			"write double(row.price); or string(…) around it, if the text is meant"},
		{"a decimal in the order of letters", `row.live && "5" < row.price`, 0, "expression_type", 16, "a decimal is compared here as a text: 9 comes behind 10",
			"write double(row.price); or string(…) around it, if the text is meant"},
		{"a time and a text compared", `row.made > "2024"`, 0, "expression_type", 9, "> does not take timestamp and string",
			`write timestamp("2024-01-31T00:00:00Z") for a time`},
		{"results of two types", `row.live ? 1 : "a"`, 0, "expression_type", 9, "? : does not take bool and int and string",
			"both results need one type: convert one by string(…), int(…) or double(…)"},
		{"a condition that is none", "row.size + 1", cdc.Bool, "expression_type", 0, "the expression is of type int, not bool",
			"compare it, such as row.size + 1 > 0"},
		{"a number where a text is wanted", "row.size", cdc.String, "expression_type", 0, "the expression is of type int, not string",
			"write string(row.size)"},
		{"json where a condition is wanted", "row.doc != null ? row.doc.a : true", cdc.Bool, "expression_type", 0,
			"the expression is of type json?, not bool", "write bool(row.doc != null ? row.doc.a : true)"},
		{"a regular expression that is none", `row.path.matches("[")`, 0, "expression_type", 17, "invalid matches argument",
			"check the regular expression; its syntax is RE2"},
		{"a time that is none", `row.made > timestamp("soon")`, 0, "expression_type", 21, "invalid timestamp argument",
			"write the time as 2024-01-31T00:00:00Z"},
		{"a value that an enum never holds", `row.live && row.mood == "goood"`, 0, "expression_type", 24, `row.mood is never "goood"`,
			`did you mean "good"?`},
		{"a member that an enum never holds", `row.mood in ["good", "ugly"]`, 0, "expression_type", 21, `row.mood is never "ugly"`,
			"its values are good, bad"},
		{"an optional as a result", "row.?text", 0, "expression_type", 0, "the result is of type optional(string), which no column holds",
			"say what stands for nothing: end it with .orValue(…)"},
		{"null as a result", "null", 0, "expression_type", 0, "the result is always null, which no column holds",
			"give an expression that has values"},
		{"an order with null", "row.size > null", 0, "null_misuse", 9, "> does not take int and null",
			"null can only be compared, by == and !=, with a column"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := expr.Options{Field: "text"}
			if c.want != 0 {
				o.Want = []cdc.Kind{c.want}
			}
			_, err := expr.Compile(c.text, article(), o)
			faults := stream.Problems(err)
			if len(faults) != 1 {
				t.Fatalf("%d faults, want one: %v", len(faults), err)
			}
			f := faults[0]
			if f.Code != c.code || f.Offset != c.offset || f.Message != c.message || f.Hint != c.hint || f.Field != "text" {
				t.Errorf("got  %s @%d %s: %q hint %q\nwant %s @%d: %q hint %q", f.Code, f.Offset, f.Field, f.Message, f.Hint,
					c.code, c.offset, c.message, c.hint)
			}
		})
	}
}

func TestCompileFollowsGuards(t *testing.T) {
	for _, c := range []struct{ name, text, unguarded, hint string }{
		{"nothing guards", `row.text.contains("x")`, "row.text", `guard it: row.text != null && row.text.contains("x")`},
		{"&& guards what follows", `row.text != null && row.text.contains("x")`, "", ""},
		{"&& does not guard what precedes", `row.text.contains("x") && row.text != null`, "row.text",
			`guard it: row.text != null && row.text.contains("x")`},
		{"|| guards what follows", `row.text == null || row.text.contains("x")`, "", ""},
		{"|| of the wrong test does not", `row.text != null || row.text.contains("x")`, "row.text",
			`guard it: row.text != null && row.text.contains("x")`},
		{"a choice guards its first branch", "row.rank != null ? row.rank + 1 : 0", "", ""},
		{"a choice guards its second branch", "row.rank == null ? 0 : row.rank + 1", "", ""},
		{"a choice does not guard the other branch", "row.rank != null ? 0 : row.rank + 1", "row.rank",
			"give a value for null: row.?rank.orValue(0)"},
		{"negation turns a guard", "!(row.text == null) && row.text.size() > 1", "", ""},
		{"negation of a disjunction", `!(row.text == null || row.rank == null) && row.text.size() > row.rank`, "", ""},
		{"both sides of a disjunction guard", `(row.text != null || row.text == "a") && row.text.size() > 1`, "", ""},
		{"one side of a disjunction does not", `(row.text != null || row.size > 1) && row.text.size() > 1`, "row.text",
			`guard it: row.text != null && row.text.size() > 1`},
		{"has guards", `has(row.text) && row.text.contains("x")`, "", ""},
		{"equality with a text guards", `row.text == "a" && row.text.size() == 1`, "", ""},
		{"inequality with a text does not", `row.text != "a" && row.text.size() == 1`, "row.text",
			`guard it: row.text != null && row.text.size() == 1`},
		{"membership guards", `row.text in ["a", "b"] && row.text.size() == 1`, "", ""},
		{"membership among nulls does not", `row.text in ["a", null] && row.text.size() == 1`, "row.text",
			`guard it: row.text != null && row.text.size() == 1`},
		{"membership needs no guard", `row.text in ["a", "b"]`, "", ""},
		{"a default needs no guard", `row.?text.orValue("").contains("x")`, "", ""},
		{"hasValue guards", `row.?text.hasValue() && row.text.contains("x")`, "", ""},
		{"a struct needs a guard", `row.place.zip > 1`, "row.place", "guard it: row.place != null && row.place.zip > 1"},
		{"a field of a struct needs its own", `row.place != null && row.place.city.size() > 1`, "row.place.city",
			"guard it: row.place.city != null && row.place.city.size() > 1"},
		{"a field of a struct guarded", `row.place != null && row.place.city != null && row.place.city.size() > 1`, "", ""},
		{"json needs a guard", "row.doc.x > 1", "row.doc", "guard it: row.doc != null && row.doc.x > 1"},
		{"within json nothing is known", "row.doc != null && row.doc.x > 1", "", ""},
		{"a condition that may be null", "row.flag && row.live", "row.flag", "give a value for null: row.?flag.orValue(false)"},
		{"a condition that is compared", "row.flag == true && row.live", "", ""},
		{"elements that may be null", `row.names.exists(n, n.size() > 1)`, "n", "guard it: n != null && n.size() > 1"},
		{"elements that are guarded", `row.names.exists(n, n != null && n.size() > 1)`, "", ""},
		{"a macro over a list that may be null", `row.tags.exists(t, t == "x")`, "row.tags",
			`guard it: row.tags != null && row.tags.exists(t, t == "x")`},
		{"a guard is forgotten for a name that is taken", `row.text != null && [{"text": 1}].exists(row, row.text == 1)`, "", ""},
		{"an element by its place", "row.names[0].size() > 1", "row.names[0]", "give a value for null, or compare with null first"},
		{"the bare column of a condition", "row.flag", "", ""},
		{"a number that is read in a text", "double(row.text) * 2.0", "row.text", `give a value for null: row.?text.orValue("0")`},
		{"a text that is measured", "size(row.text) * 2", "row.text", `give a value for null: row.?text.orValue("")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expr.Compile(c.text, article(), expr.Options{})
			faults := stream.Problems(err)
			if c.unguarded == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if len(faults) != 1 || faults[0].Code != "null_misuse" || faults[0].Message != c.unguarded+" may be null here" {
				t.Fatalf("got %v, want one null_misuse of %s", err, c.unguarded)
			}
			if faults[0].Hint != c.hint {
				t.Errorf("hint %q, want %q", faults[0].Hint, c.hint)
			}
		})
	}
}

func TestCompileTellsAllFaultsOfAKindAtOnce(t *testing.T) {
	_, err := expr.Compile("row.txt + row.pth", article(), expr.Options{})
	if faults := stream.Problems(err); len(faults) != 2 || faults[0].Offset != 4 || faults[1].Offset != 14 {
		t.Errorf("got %v, want two faults at 4 and 14", err)
	}
	_, err = expr.Compile("row.text + row.mood + row.text + string(row.rank)", article(), expr.Options{})
	if faults := stream.Problems(err); len(faults) != 2 {
		t.Errorf("got %v, want row.text and row.rank once each", err)
	}
}

func TestLogicCoversTheTypesOfColumnsReadAndNothingElse(t *testing.T) {
	logic := func(text string, in *cdc.Schema) string {
		p, err := expr.Compile(text, in, expr.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return string(p.Logic())
	}
	one := &cdc.Schema{Columns: []cdc.Column{column("a", "int"), column("b", "int")}}
	moved := &cdc.Schema{Columns: []cdc.Column{column("c", "string"), column("b", "int?")}}
	typed := &cdc.Schema{Columns: []cdc.Column{column("a", "float"), column("b", "int")}}
	if logic("row.b==1", one) != logic("row.b  == 1", moved) {
		t.Error("place, null and spelling change the logic")
	}
	if logic("row.a > 1", one) == logic("row.a > 1", typed) {
		t.Error("the type of a column read does not change the logic")
	}
	if logic("row.b == 1", one) != logic("row.b == 1", typed) {
		t.Error("the type of a column not read changes the logic")
	}
}

func TestNestedMacrosAreCheckedInLinearTime(t *testing.T) {
	text := "row.text"
	for range 20 {
		text = "[row.text].map(a, " + text + ")[0]"
	}
	p := compile(t, text)
	if !p.Type().Nullable {
		t.Errorf("type %s, want one that allows null", p.Type())
	}
}
