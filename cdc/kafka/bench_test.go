package kafka

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// benchRecord has a value of some 200 bytes, as most topics of JSON have.
func benchRecord() *kgo.Record {
	return &kgo.Record{Topic: "t", Key: []byte("k000042"), Value: fmt.Appendf(nil,
		`{"id":%d,"customer":"customer 4711","total":1234.56,"paid":true,"note":"a note of some length, with words","state":"shipped","city":"Hamburg","zip":"20095","rest":"%060d"}`, 123456, 7)}
}

// BenchmarkDecode compares the typed reader, straight into a row, with a decode into a map, which is what a
// consumer does that knows nothing of its rows.
func BenchmarkDecode(b *testing.B) {
	rec := benchRecord()
	b.Run("row", func(b *testing.B) {
		r := newReading(b, Options{Schema: columns(b, "id int; customer string; total float; paid bool; note string?; state string; city string?; zip string?")})
		b.SetBytes(int64(len(rec.Value)))
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			r.d.op, r.d.key = 0, r.d.key[:0]
			if err := r.format.decode(b.Context(), rec, r.d); err != nil {
				b.Fatal(err)
			}
			out = r.d.row.Append(out[:0])
		}
	})
	b.Run("map", func(b *testing.B) {
		b.SetBytes(int64(len(rec.Value)))
		b.ReportAllocs()
		for b.Loop() {
			var row map[string]any
			if err := json.Unmarshal(rec.Value, &row); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("debezium", func(b *testing.B) {
		r := newReading(b, Options{Format: "debezium", Key: []string{"id"}, Schema: columns(b, "id int; customer string; total float; paid bool; note string?; state string; city string?; zip string?")})
		wrapped := *rec
		wrapped.Key = []byte(`{"id":123456}`)
		wrapped.Value = fmt.Appendf(nil, `{"before":null,"after":%s,"source":{"db":"d","lsn":1},"op":"c","ts_ms":1}`, rec.Value)
		b.SetBytes(int64(len(wrapped.Value)))
		b.ReportAllocs()
		for b.Loop() {
			r.d.op, r.d.key = 0, r.d.key[:0]
			if err := r.format.decode(b.Context(), &wrapped, r.d); err != nil {
				b.Fatal(err)
			}
		}
	})
}
