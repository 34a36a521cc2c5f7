package arrowrow_test

import (
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

func ExampleWriter() {
	schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "title", Type: cdc.Type{Kind: cdc.String, Nullable: true}}, {Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 2}}}}
	w, err := arrowrow.NewWriter(schema, nil, arrowrow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Release()
	for _, object := range []string{`{"id": 1, "title": "Tea", "vector": [0.5, 1]}`, `{"id": 2, "vector": [0, 0.25]}`} {
		row, err := cdc.RowFromJSON(schema, []byte(object))
		if err == nil {
			err = w.Append(row)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	record := w.Record()
	defer record.Release()
	for i, c := range record.Columns() {
		fmt.Println(record.ColumnName(i), c.DataType(), c)
	}
	// Output:
	// id int64 [1 2]
	// title utf8 ["Tea" (null)]
	// vector fixed_size_list<item: float32>[2] [[0.5 1] [0 0.25]]
}

func ExampleReader() {
	schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}}}
	w, err := arrowrow.NewWriter(schema, nil, arrowrow.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Release()
	var b cdc.RowBuilder
	b.Int64(42)
	if err := w.Append(b.Build()); err != nil {
		fmt.Println(err)
		return
	}
	record := w.Record()
	defer record.Release()

	r, err := arrowrow.NewReader(record.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Release()
	if err := r.Load(record); err != nil {
		fmt.Println(err)
		return
	}
	for i := range r.Len() {
		if err := r.Read(&b, i); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s {%s}\n", r.Schema(), cdc.AppendFieldsJSON(nil, r.Schema().Columns, b.Build()))
	}
	// Output:
	// {id* int} {"id":42}
}
