package expr_test

import (
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

func ExampleCompile() {
	schema := &cdc.Schema{Columns: []cdc.Column{
		{Name: "title", Type: cdc.Type{Kind: cdc.String}},
		{Name: "body", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
	}}
	p, err := expr.Compile(`row.title  +  "\n" + row.?body.orValue('')`, schema, expr.Options{Want: []cdc.Kind{cdc.String}})
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := cdc.RowFromJSON(schema, []byte(`{"title": "Rivers", "body": "They flow."}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _, err := p.Text(nil, row)
	fmt.Printf("%q %v\n", text, err)
	fmt.Println(p, p.Reads(), p.Type())
	// Output:
	// "Rivers\nThey flow." <nil>
	// row.title + "\n" + row.?body.orValue("") [title body] string
}

func ExampleCompile_fault() {
	schema := &cdc.Schema{Columns: []cdc.Column{{Name: "body", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}}
	_, err := expr.Compile(`row.body.contains("flood")`, schema, expr.Options{Field: "filter"})
	for _, p := range stream.Problems(err) {
		fmt.Println(p.Code, p.Offset)
		fmt.Println(p)
		fmt.Println(p.Hint)
	}
	// Output:
	// null_misuse 4
	// filter: row.body may be null here
	// guard it: row.body != null && row.body.contains("flood")
}
