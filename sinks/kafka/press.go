package kafka

import (
	"context"
	"strconv"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// press makes the records of a transaction and sends them. A record of its own would take seven allocations; these are
// written on sheets, which are used again.
type press struct {
	sink   *Sink
	target *stream.Target
	topics []string
	names  [][][]byte // of each collection the names of its columns, as they stand within an object
	flow   []byte
	sheets *sheets
	sent   *receipt

	sheet   *sheet // that is being written on
	version uint64 // of the record before
	digits  []byte // its text
}

// columnNames writes the names of columns once for all records: `,"name":`.
func columnNames(collections []stream.SinkCollection) [][][]byte {
	names := make([][][]byte, len(collections))
	for i := range collections {
		columns := collections[i].Schema.Columns
		for _, c := range columns[:len(columns)-collections[i].Hidden] {
			names[i] = append(names[i], append(cdc.AppendJSONString([]byte{','}, c.Name), ':'))
		}
	}
	return names
}

// send sends the record of an effect.
func (p *press) send(ctx context.Context, client *kgo.Client, e *stream.Effect) {
	n := 2*len(e.Key) + 2*len(e.Source) + 2*len(e.Row) + 128 // what is longer moves to memory of its own
	if p.sheet != nil && !p.sheet.takes(n) {
		p.sheet.done()
		p.sheet = nil
	}
	if p.sheet == nil {
		p.sheet = p.sheets.take(n, p.sent)
	}
	r := p.record(e)
	p.sheet.open.Add(1)
	client.Produce(ctx, r, p.sheet.word)
}

// end tells that nothing more is sent.
func (p *press) end() {
	if p.sheet != nil {
		p.sheet.done()
		p.sheet = nil
	}
}

// record writes the record of an effect on the sheet.
func (p *press) record(e *stream.Effect) *kgo.Record {
	s := p.sheet
	r, headers := s.next()
	if e.Version != p.version || p.digits == nil {
		p.version, p.digits = e.Version, strconv.AppendUint(nil, e.Version, 10)
	}
	start := len(s.bytes)
	s.bytes = e.Key.AppendText(s.bytes)
	r.Topic, r.Key = p.topics[e.Collection], s.cut(start)
	start = len(s.bytes)
	s.bytes = append(s.bytes, e.Source...)
	headers[0] = kgo.RecordHeader{Key: "freshet.flow", Value: p.flow}
	headers[1] = kgo.RecordHeader{Key: "freshet.version", Value: p.digits}
	headers[2] = kgo.RecordHeader{Key: "freshet.source", Value: s.cut(start)}
	r.Headers = headers
	if e.Time > 0 {
		r.Timestamp = time.UnixMicro(e.Time)
	}
	if e.Delete && !p.sink.o.Envelopes {
		return r
	}
	start = len(s.bytes)
	s.bytes = p.appendValue(s.bytes, e, unsafe.String(unsafe.SliceData(r.Key), len(r.Key)))
	r.Value = s.cut(start)
	return r
}

// appendValue writes a row, or with envelopes also its end, as an object.
func (p *press) appendValue(b []byte, e *stream.Effect, key string) []byte {
	b = append(b, '{')
	switch {
	case e.Delete:
		b = append(b, `"_op":"delete",`...)
	case p.sink.o.Envelopes:
		b = append(b, `"_op":"upsert",`...)
	}
	b = cdc.AppendJSONString(append(b, `"_key":`...), key)
	if !e.Delete {
		columns := p.target.Collections[e.Collection].Schema.Columns
		for i, name := range p.names[e.Collection] {
			b = cdc.AppendJSON(append(b, name...), &columns[i].Type, e.Row.At(i))
		}
	}
	b = strconv.AppendUint(append(b, `,"_version":`...), e.Version, 10)
	b = cdc.AppendJSONString(append(b, `,"_source":`...), e.Source)
	return append(b, '}')
}
