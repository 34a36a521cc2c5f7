package http

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
)

func TestAPositionComesBackAsItWent(t *testing.T) {
	p := &place{producers: map[string]sent{}}
	last := cdc.Position("")
	for i := range 200 {
		number, repeated := p.take(fmt.Sprintf("p%d", i%100), uint64(i+1))
		if repeated || number != uint64(i+1) {
			t.Fatalf("push %d is number %d, repeated %v", i, number, repeated)
		}
		position := p.position()
		if position <= last || position < numberOf(number) || numberOf(number+1) <= position {
			t.Fatalf("position %x of push %d does not lie between %x and the next", position, number, last)
		}
		last = position
		back, err := readPlace(position)
		if err != nil || back.number != p.number || !maps.Equal(back.producers, p.producers) {
			t.Fatalf("%x is read as %+v: %v", position, back, err)
		}
	}
	if len(p.producers) != producersMost {
		t.Errorf("%d producers are remembered", len(p.producers))
	}
	if _, known := p.producers["p99"]; !known {
		t.Error("the producer that was heard last is forgotten")
	}
}

func TestASequenceThatDoesNotGrowIsARepetition(t *testing.T) {
	p := &place{producers: map[string]sent{}}
	tests := []struct {
		producer string
		sequence uint64
		number   uint64
		repeated bool
	}{
		{"a", 5, 1, false}, {"a", 5, 1, true}, {"", 0, 2, false}, {"", 0, 3, false}, {"b", 5, 4, false}, {"a", 4, 1, true}, {"a", 9, 5, false}, {"a", 5, 5, true},
	}
	for i, test := range tests {
		if number, repeated := p.take(test.producer, test.sequence); number != test.number || repeated != test.repeated {
			t.Errorf("push %d of %q is number %d, repeated %v", i, test.producer, number, repeated)
		}
	}
}

func FuzzReadPlace(f *testing.F) {
	p := &place{number: 7, producers: map[string]sent{"orders": {3, 6}, "": {1, 2}}}
	f.Add(string(p.position()))
	f.Add("")
	f.Add("1234567")
	f.Add(string(numberOf(1)) + strings.Repeat("\xff", 12))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPlace(cdc.Position(text))
		if err != nil {
			return
		}
		again, err := readPlace(p.position())
		if err != nil || again.number != p.number || !maps.Equal(again.producers, p.producers) {
			t.Errorf("%x is read as %+v, and then as %+v: %v", text, p, again, err)
		}
	})
}

// FuzzPush reads bodies: whatever they hold, what is taken are rows and keys of the schema.
func FuzzPush(f *testing.F) {
	o := Options{Key: []string{"id", "at"}, Schema: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "at", Type: cdc.Type{Kind: cdc.String}},
		{Name: "n", Type: cdc.Type{Kind: cdc.Float64, Nullable: true}}, {Name: "j", Type: cdc.Type{Kind: cdc.JSON, Nullable: true}},
		{Name: "l", Type: cdc.Type{Kind: cdc.List, Elem: &cdc.Type{Kind: cdc.Timestamp}, Nullable: true}}}}
	schema := o.schema()
	r := newReader(schema, nil)
	for _, seed := range []string{`{"id":1,"at":"x","n":1e5,"j":{"a":[1]},"l":["2026-01-02T03:04:05Z"]}`, `[{"_op":"delete","id":1,"at":"x"}]`, `[]`, "{}\n{}", `{"\u005fop":"delete","id":1,"at":""}`, `[[[[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]change, error){r.document, r.lines} {
			all, err := read(body)
			if err != nil {
				if f := unreadable(err); f.status < 400 || f.code == "" || f.hint == "" {
					t.Errorf("%v is answered %+v", err, f)
				}
				continue
			}
			for _, c := range all {
				if _, err := c.key.Parts(); err != nil {
					t.Errorf("the key %x: %v", c.key, err)
				}
				if c.row == nil {
					continue
				}
				if err := cdc.CheckRow(c.row); err != nil || c.row.Len() != len(schema.Columns) {
					t.Errorf("a row of %d columns: %v", c.row.Len(), err)
				}
				if key, err := schema.AppendKey(nil, c.row); err != nil || string(key) != string(c.key) {
					t.Errorf("the key of the row is %x, not %x: %v", key, c.key, err)
				}
			}
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	o := Options{Key: []string{"id"}, Schema: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "title", Type: cdc.Type{Kind: cdc.String}}, {Name: "body", Type: cdc.Type{Kind: cdc.String}}}}
	r := newReader(o.schema(), nil)
	var body strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&body, `{"id":%d,"title":"row %d","body":%q}`+"\n", i, i, strings.Repeat("x", 150))
	}
	text := []byte(body.String())
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if all, err := r.lines(text); err != nil || len(all) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}
