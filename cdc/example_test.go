package cdc_test

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

func ExampleRow() {
	columns := []cdc.Column{
		{Name: "title", Type: cdc.Type{Kind: cdc.String}},
		{Name: "stars", Type: cdc.Type{Kind: cdc.Int64, Nullable: true}},
		{Name: "body", Type: cdc.Type{Kind: cdc.String}},
	}
	var b cdc.RowBuilder
	b.Text("Rivers")
	b.Null()
	b.Unchanged() // the source did not send it
	row := b.Build()

	fmt.Println(row.At(0).Text(), row.At(1).State == cdc.Null, row.At(2).State == cdc.Unchanged)
	fmt.Printf("{%s}\n", cdc.AppendFieldsJSON(nil, columns, row))
	// Output:
	// Rivers true true
	// {"title":"Rivers","stars":null,"body":null}
}

func ExampleKey() {
	schema := &cdc.Schema{
		Columns: []cdc.Column{
			{Name: "lang", Type: cdc.Type{Kind: cdc.String}},
			{Name: "id", Type: cdc.Type{Kind: cdc.Int64}},
		},
		Key: []int{0, 1},
	}
	key := func(object string) cdc.Key {
		row, err := cdc.RowFromJSON(schema, []byte(object))
		if err != nil {
			panic(err)
		}
		key, err := schema.AppendKey(nil, row)
		if err != nil {
			panic(err)
		}
		return key
	}
	nine, ten := key(`{"lang": "en/us", "id": 9}`), key(`{"lang": "en/us", "id": 10}`)
	fmt.Println(nine.Text(), ten.Text(), bytes.Compare(nine, ten))

	back, err := cdc.ParseKeyText(schema.KeyTypes(), "en%2Fus/9")
	fmt.Println(bytes.Equal(back, nine), err)
	// Output:
	// en%2Fus/9 en%2Fus/10 -1
	// true <nil>
}

func ExampleBatch() {
	var b cdc.Batch
	b.Add(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey("old.md")})
	b.Add(cdc.Change{Op: cdc.Update, Key: cdc.StringKey("new.md")})
	b.Commit("0001", 0) // both in one transaction
	at := 0
	for _, txn := range b.Txns() {
		for ; at < txn.End; at++ {
			fmt.Println(txn.Position, b.At(at).Op, b.At(at).Key.Text())
		}
	}
	// Output:
	// 0001 delete old.md
	// 0001 update new.md
}
