package pgvector

import (
	"testing"

	"github.com/freshet/freshet/cdc"
)

// FuzzDecode gives any bytes to the decoder of what a server sends: it may refuse them, and what it takes is a row.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(cdc.Int64), false, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(uint8(cdc.Timestamp), false, []byte{0x7f, 255, 255, 255, 255, 255, 255, 255})
	f.Add(uint8(cdc.Int64), true, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5})
	f.Add(uint8(cdc.String), true, []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255})
	f.Add(uint8(cdc.JSON), true, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, kind uint8, list bool, raw []byte) {
		column := cdc.Type{Kind: cdc.Kind(kind%uint8(cdc.Struct) + 1), Nullable: true, Fields: []cdc.Column{{Name: "a", Type: cdc.Type{Kind: cdc.Int64, Nullable: true}}}}
		if column.Kind == cdc.List {
			column.Elem = &cdc.Type{Kind: cdc.String, Nullable: true}
		}
		if list {
			elem := column
			column = cdc.Type{Kind: cdc.List, Nullable: true, Elem: &elem}
		}
		var b cdc.RowBuilder
		if err := decodeInto(&b, &column, raw); err != nil {
			return
		}
		row := b.Build()
		if err := cdc.CheckRow(row); err != nil || row.Len() != 1 {
			t.Errorf("%s of % x becomes %d fields: %v", column, raw, row.Len(), err)
		}
		if v := row.At(0); column.Kind == cdc.List && v.State == cdc.Set {
			if err := cdc.CheckRow(v.Raw); err != nil {
				t.Errorf("the list of % x is damaged: %v", raw, err)
			}
		}
	})
}
