package operators_test

import (
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func ExampleNewSplit() {
	in := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "path", Type: cdc.Type{Kind: cdc.String}},
		{Name: "text", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}}
	split, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	bound, err := split.Bind(in, func(column string) bool { return column != "start" && column != "end" })
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := cdc.RowFromJSON(in, []byte(`{"path": "tea.txt", "text": "Boil the water first.\n\nThen wait.\n\nPour it over the leaves."}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var chunks stream.Rows
	if err := bound.(stream.Mapper).Map(row, &chunks); err != nil {
		fmt.Println(err)
		return
	}
	for i := range chunks.Len() {
		fmt.Printf("{%s}\n", cdc.AppendFieldsJSON(nil, bound.Schema().Columns, chunks.At(i)))
	}
	// Output:
	// {"path":"tea.txt","chunk_id":"36ebd42df6f1b145","chunk":"Boil the water first.","seq":0}
	// {"path":"tea.txt","chunk_id":"aa1ddf43af6fbbe1","chunk":"Then wait.","seq":1}
	// {"path":"tea.txt","chunk_id":"c3c0b0bb5a7cadc3","chunk":"Pour it over the leaves.","seq":2}
}
