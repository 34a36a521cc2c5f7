package qdrant

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/freshet/freshet/cdc"
)

// Whatever document a column holds, it comes back from the payload as the same document.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,-0,null,true,"x\u0000"],"":{}}`, `12345678901234567890`, `1e400`, `"\ud800"`, `[[[[]]]]`, `-9223372036854775808`, `5e-324`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want any
		if json.Unmarshal([]byte(text), &want) != nil {
			return
		}
		v, err := value(cdc.Type{Kind: cdc.JSON}, cdc.Value{State: cdc.Set, Raw: []byte(text)})
		if err != nil {
			return // a number that is out of range, or something behind the document
		}
		var got any
		back := appendJSON(nil, v)
		if err := json.Unmarshal(back, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q comes back as %q: %v", text, back, err)
		}
	})
}

// Whatever payload a server gives, it is read as a row, a record, or an error.
func FuzzPayload(f *testing.F) {
	kind := func(k cdc.Kind) cdc.Type { return cdc.Type{Kind: k, Nullable: true} }
	word := kind(cdc.String)
	columns := []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "s", Type: word}, {Name: "t", Type: kind(cdc.Timestamp)}, {Name: "j", Type: kind(cdc.JSON)},
		{Name: "l", Type: cdc.Type{Kind: cdc.List, Elem: &word, Nullable: true}}, {Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 1}}}
	s := shapeOf(columns, 1, 5, columns[:1])
	seed := &qdrant.PointStruct{Payload: (&record{flow: "f", sink: "s", rows: 1}).point().Payload}
	seed.Payload["id"], seed.Payload["l"], seed.Payload["_key"] = qdrant.NewValueInt(1), qdrant.NewValueFromList(text("a")), text("1")
	raw, err := proto.Marshal(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p qdrant.PointStruct
		if proto.Unmarshal(raw, &p) != nil {
			return
		}
		if r, err := recordOf(p.GetPayload()); err == nil && r != nil {
			if again, err := recordOf(r.point().GetPayload()); err != nil || *again != *r {
				t.Errorf("a record is read as %+v, and then as %+v: %v", r, again, err)
			}
		}
		row, err := s.row(p.GetPayload())
		if err != nil {
			return
		}
		if err := cdc.CheckRow(row); err != nil || row.Len() != len(columns) {
			t.Errorf("a row of %d columns: %v", row.Len(), err)
		}
		if key, err := s.keyOf(p.GetPayload()); err == nil {
			if parts, err := key.Parts(); err != nil || len(parts) != 1 {
				t.Errorf("the key %x: %v", []byte(key), err)
			}
		}
	})
}
