package expr_test

import (
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// What a hint says to write compiles: for columns that read as another type than their own, and may be null.
func TestWhatAHintSaysToWriteCompiles(t *testing.T) {
	order := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column("id", "int"), column("price", "decimal"), column("fee", "decimal?"), column("price_list", "string"),
		column("made", "timestamp"), column("paid", "timestamp?"), column("due", "date?"), column("doc", "json?"), column("tags", "[string]?"), column("note", "string?")}}
	for _, c := range []struct{ name, text, hint, mended string }{
		{"a number for a decimal that may be null", "row.?fee.orValue(0) > 5", `a decimal reads as text: write double(row.?fee.orValue("0"))`, `double(row.?fee.orValue("0")) > 5.0`},
		{"a number for a decimal within a conversion", "double(row.?fee.orValue(0.0)) > 5.0", `a decimal reads as text: write double(row.?fee.orValue("0"))`,
			`double(row.?fee.orValue("0")) > 5.0`},
		{"a decimal with a default, compared", `row.?fee.orValue("0") > 5`, `a decimal reads as text: write double(row.?fee.orValue("0"))`,
			`double(row.?fee.orValue("0")) > 5.0`},
		{"a decimal that may be null, converted", "double(row.fee) * 2.0", `give a value for null: row.?fee.orValue("0")`, `double(row.?fee.orValue("0")) * 2.0`},
		{"a decimal with a default and one without, added", `row.price + row.?fee.orValue("0")`, "write double(row.price); or string(…) around it, if the text is meant",
			`double(row.price) + double(row.?fee.orValue("0"))`},
		{"a decimal with a default in the order of letters", `row.?fee.orValue("0") >= "5"`, `write double(row.?fee.orValue("0")); or string(…) around it, if the text is meant`,
			`double(row.?fee.orValue("0")) >= 5.0`},
		{"decimals joined on purpose", "row.price + string(row.price) + row.note", `give a value for null: row.?note.orValue("")`,
			`row.price + string(row.price) + row.?note.orValue("")`},
		{"decimals multiplied", "row.price * row.price", "a decimal reads as text: write double(row.price)", "double(row.price) * double(row.price)"},
		{"a decimal negated", "-row.price", "a decimal reads as text: write double(row.price)", "-double(row.price)"},
		{"a decimal and a number added", "row.price + 1", "a decimal reads as text: write double(row.price)", "double(row.price) + 1.0"},
		{"a column whose name begins as a decimal's", "row.price_list + 1", "join texts only: write string(…) around the other operand", "row.price_list + string(1)"},
		{"a default without its question mark", "row.note.orValue(0)", `a column that may be missing is read with ?: write row.?note.orValue("")`, `row.?note.orValue("")`},
		{"a decimal's default without its question mark", "row.fee.orValue(0) > 5", `a decimal reads as text: write double(row.?fee.orValue("0"))`,
			`double(row.?fee.orValue("0")) > 5.0`},
		{"a decimal for a condition", "row.price ? 1 : 2", "what stands before ? is a condition: compare the value, such as row.size > 0", "double(row.price) > 0.0 ? 1 : 2"},
		{"a text in a list", `row.tags.contains("x")`, `whether a list has a text is asked by in: "…" in row.tags`, `row.tags != null && "x" in row.tags`},
		{"a number for a text", "row.?note.orValue(0)", `what stands for nothing is of the same type: write orValue("")`, `row.?note.orValue("")`},
		{"a text for a time", `row.?paid.orValue("2024-01-31")`, `what stands for nothing is of the same type: write orValue(timestamp("1970-01-01T00:00:00Z"))`,
			`row.?paid.orValue(timestamp("1970-01-01T00:00:00Z"))`},
		{"a text for a date", `row.?due.orValue("2024-01-31") < row.made`, `what stands for nothing is of the same type: write orValue(timestamp("1970-01-01T00:00:00Z"))`,
			`row.?due.orValue(timestamp("1970-01-01T00:00:00Z")) < row.made`},
		{"a text for a list", `size(row.?tags.orValue("")) > 0`, "what stands for nothing is of the same type: write orValue([])", `size(row.?tags.orValue([])) > 0`},
		{"a time and a year", "row.made > 2024", `write timestamp("2024-01-31T00:00:00Z") for a time, duration("24h") for a span, and getFullYear() for the number of a year`,
			"row.made.getFullYear() > 2024"},
		{"a time and a number of seconds", "row.made + 3600 > row.made", `write timestamp("2024-01-31T00:00:00Z") for a time, duration("24h") for a span, and getFullYear() for the number of a year`,
			`row.made + duration("1h") > row.made`},
		{"a span and a number", "row.made - row.made > 90", `write duration("90s") or duration("1h30m") for a span of time`, `row.made - row.made > duration("90s")`},
		{"json that may be null, in a number", "double(row.doc.total) * 2.0", "guard it: row.doc != null ? … : …", "row.doc != null ? double(row.doc.total) * 2.0 : 0.0"},
		{"json that may be null, in conditions", "row.id > 1 && row.doc.total > 1.0", "guard it: row.doc != null && row.doc.total > 1.0", "row.id > 1 && row.doc != null && row.doc.total > 1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := expr.Compile(c.text, order, expr.Options{})
			faults := stream.Problems(err)
			if len(faults) == 0 || faults[0].Hint != c.hint {
				t.Errorf("%v has not the hint %q first", err, c.hint)
			}
			if _, err := expr.Compile(c.mended, order, expr.Options{}); err != nil {
				t.Errorf("what the hint says is refused: %v", err)
			}
		})
	}
}
