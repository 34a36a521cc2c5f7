package qdrant_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/stream"
)

func TestTheNearestRowsComeFirst(t *testing.T) {
	for _, metric := range []stream.Metric{stream.Cosine, stream.Dot, stream.L2} {
		t.Run(metric.String(), func(t *testing.T) {
			d := newDocs(t, qdrant.Options{Metric: metric})
			d.open()
			d.apply(many(0, 300, "x")...)
			hits := d.search(direction(7, 3), 5, nil)
			if len(hits) != 5 || hits[0].Key.Text() != "7" {
				t.Fatalf("it finds %v", hits)
			}
			for i := 1; i < len(hits); i++ {
				if hits[i].Score > hits[i-1].Score {
					t.Errorf("scores rise: %v then %v", hits[i-1].Score, hits[i].Score)
				}
			}
			best := map[stream.Metric]float64{stream.Cosine: 1, stream.Dot: 1, stream.L2: 0}[metric]
			if math.Abs(float64(hits[0].Score)-best) > 1e-5 {
				t.Errorf("the best score is %v", hits[0].Score)
			}
			row := "{" + string(cdc.AppendFieldsJSON(nil, d.collection().Schema.Columns, hits[0].Row)) + "}"
			if row != `{"id":7,"body":"x 7","vector":null}` || hits[0].Version != d.target.Generation<<40|1 {
				t.Errorf("the row is %s, its version %d", row, hits[0].Version)
			}
		})
	}
}

// A condition that few rows meet, and an index that has lost its way to some: as many are found as there are.
func TestASearchFindsAsManyAsThereAre(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 1500, "x")...)
	rare := func(r cdc.Row) (bool, error) { return r.At(0).Int64()%300 == 299, nil }
	if hits := d.search(direction(0, 3), 10, rare); len(hits) != 5 || hits[0].Key.Text() != "299" {
		t.Errorf("with a rare condition it finds %d rows", len(hits))
	}
	lost := map[string]bool{}
	for id := range int64(400) {
		lost[qdrant.ID(0, mustKey(t, d, id))] = true
	}
	d.bed.server.Miss(func(id string) bool { return lost[id] })
	if hits := d.search(direction(0, 3), 10, rare); len(hits) != 5 || hits[0].Key.Text() != "299" {
		t.Errorf("with a broken index it finds %d rows", len(hits))
	}
	if hits := d.search(direction(0, 3), 2000, nil); len(hits) != 1500 {
		t.Errorf("asked for more than there are it finds %d rows", len(hits))
	}
	if hits := d.search(direction(0, 3), 3, func(cdc.Row) (bool, error) { return false, nil }); len(hits) != 0 {
		t.Errorf("with a condition that no row meets it finds %d", len(hits))
	}
	fault := errors.New("no")
	_, err := d.writer.(stream.Searcher).Search(t.Context(), stream.Query{Vector: direction(0, 3), K: 3, Where: func(int, cdc.Row) (bool, error) { return false, fault }})
	if !errors.Is(err, fault) {
		t.Errorf("a condition that fails ends with %v", err)
	}
}

// Every type of a flow comes back from the payload as it went in, and lies there as its users would look for it.
func TestEveryTypeComesBack(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	kind := func(k cdc.Kind) cdc.Type { return cdc.Type{Kind: k, Nullable: true} }
	text := kind(cdc.String)
	d.columns = []cdc.Column{{Name: "b", Type: kind(cdc.Bool)}, {Name: "f", Type: kind(cdc.Float64)}, {Name: "dec", Type: kind(cdc.Decimal)}, {Name: "raw", Type: kind(cdc.Bytes)},
		{Name: "at", Type: kind(cdc.Timestamp)}, {Name: "day", Type: kind(cdc.Date)}, {Name: "uid", Type: kind(cdc.UUID)}, {Name: "doc", Type: kind(cdc.JSON)},
		{Name: "tags", Type: cdc.Type{Kind: cdc.List, Elem: &text, Nullable: true}},
		{Name: "pair", Type: cdc.Type{Kind: cdc.Struct, Nullable: true, Fields: []cdc.Column{{Name: "x", Type: kind(cdc.Int64)}, {Name: "y", Type: text}}}}}
	d.open()
	objects := []string{
		`"b":true,"f":-0.5,"dec":"12345678901234567890.10","raw":"AAEC/w==","at":"2026-01-02T03:04:05.678901Z","day":"2026-01-02","uid":"0f8fad5b-d9cb-469f-a165-70867728950e","doc":{"a":[1,2.5,null,true,"x"]},"tags":["a",null,"b/c"],"pair":{"x":9007199254740993,"y":null}`,
		`"b":false,"f":"NaN","dec":"0","raw":"","at":"infinity","day":"-infinity","uid":"00000000-0000-0000-0000-000000000000","doc":"text","tags":[],"pair":{"x":null,"y":"z"}`,
		`"b":null,"f":null,"dec":null,"raw":null,"at":null,"day":null,"uid":null,"doc":null,"tags":null,"pair":null`,
	}
	var rows []row
	for i, object := range objects {
		values, err := cdc.RowFromJSON(&cdc.Schema{Columns: d.columns}, []byte("{"+object+"}"))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row{id: int64(i), body: "x", more: func(b *cdc.RowBuilder) {
			for i := range values.Len() {
				b.Value(values.At(i))
			}
		}})
	}
	d.apply(rows...)
	hits := d.search(direction(0, 3), 10, nil)
	if len(hits) != len(objects) {
		t.Fatalf("%d rows are found", len(hits))
	}
	for _, hit := range hits {
		got := string(cdc.AppendFieldsJSON(nil, d.collection().Schema.Columns, hit.Row))
		want := fmt.Sprintf(`"id":%s,"body":"x",%s,"vector":null`, hit.Key.Text(), objects[hit.Row.At(0).Int64()])
		if got != want {
			t.Errorf("a row comes back as\n%s\nand went in as\n%s", got, want)
		}
	}
	points, err := d.bed.all("docs")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if p.GetPayload()["_key"].GetStringValue() != "0" {
			continue
		}
		if got := p.GetPayload()["pair"].GetStructValue().GetFields()["x"].GetIntegerValue(); got != 9007199254740993 {
			t.Errorf("a number lies there as %d", got)
		}
		if got := p.GetPayload()["doc"].GetStructValue().GetFields()["a"].GetListValue().GetValues()[1].GetDoubleValue(); got != 2.5 {
			t.Errorf("a number of a document lies there as %v", got)
		}
		if got := p.GetPayload()["at"].GetStringValue(); !strings.HasPrefix(got, "2026-01-02T03:04:05.678901") {
			t.Errorf("a time lies there as %s", got)
		}
		if got := p.GetPayload()["_source"].GetStringValue(); got != "at 1" {
			t.Errorf("the source is %q", got)
		}
		if p.GetId().GetUuid() != qdrant.ID(0, mustKey(t, d, 0)) {
			t.Errorf("the id is %s", p.GetId())
		}
	}
}
