package kafka

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// press makes the records of a transaction. They are cut from common pieces of memory, which live until the last record
// of a piece has been answered: a record of its own takes seven allocations.
type press struct {
	sink   *Sink
	target *stream.Target
	topics []string
	flow   []byte

	bytes   []byte // the rest of a piece
	records []kgo.Record
	headers []kgo.RecordHeader

	version uint64 // of the record before
	digits  []byte // its text
}

// The sizes of pieces, and how many headers a record has.
const (
	pressBytes   = 64 << 10
	pressRecords = 128
	pressHeaders = 3
)

// record makes the record of an effect.
func (p *press) record(e *stream.Effect) *kgo.Record {
	if len(p.records) == 0 {
		p.records, p.headers = make([]kgo.Record, pressRecords), make([]kgo.RecordHeader, pressRecords*pressHeaders)
	}
	r, headers := &p.records[0], p.headers[:pressHeaders:pressHeaders]
	p.records, p.headers = p.records[1:], p.headers[pressHeaders:]
	if e.Version != p.version || p.digits == nil {
		p.version, p.digits = e.Version, strconv.AppendUint(nil, e.Version, 10)
	}
	key := e.Key.Text()
	p.room(2*len(key) + 2*len(e.Source) + 2*len(e.Row) + 128) // more makes a piece of its own
	start := len(p.bytes)
	p.bytes = append(p.bytes, key...)
	r.Topic, r.Key = p.topics[e.Collection], p.cut(start)
	start = len(p.bytes)
	p.bytes = append(p.bytes, e.Source...)
	headers[0] = kgo.RecordHeader{Key: "freshet.flow", Value: p.flow}
	headers[1] = kgo.RecordHeader{Key: "freshet.version", Value: p.digits}
	headers[2] = kgo.RecordHeader{Key: "freshet.source", Value: p.cut(start)}
	r.Headers = headers
	if e.Time > 0 {
		r.Timestamp = time.UnixMicro(e.Time)
	}
	if e.Delete && !p.sink.o.Envelopes {
		return r
	}
	start = len(p.bytes)
	p.bytes = p.appendValue(p.bytes, e, key)
	r.Value = p.cut(start)
	return r
}

// room makes sure that so many bytes fit into the piece.
func (p *press) room(n int) {
	if cap(p.bytes)-len(p.bytes) < n {
		p.bytes = make([]byte, 0, max(pressBytes, n))
	}
}

// cut gives what has been written since start; nothing is written behind it into the same memory.
func (p *press) cut(start int) []byte { return p.bytes[start:len(p.bytes):len(p.bytes)] }

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
		c := &p.target.Collections[e.Collection]
		if columns := c.Schema.Columns[:len(c.Schema.Columns)-c.Hidden]; len(columns) > 0 {
			b = append(b, ',')
			b = cdc.AppendFieldsJSON(b, columns, e.Row)
		}
	}
	b = strconv.AppendUint(append(b, `,"_version":`...), e.Version, 10)
	b = cdc.AppendJSONString(append(b, `,"_source":`...), e.Source)
	return append(b, '}')
}
