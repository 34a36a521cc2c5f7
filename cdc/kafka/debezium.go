package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// debezium is the format of Debezium's envelopes, plain or wrapped with their schema, mixed as they come.
// Every one of create, update and read puts the row after it, so that a repeated snapshot changes nothing. Where the flow says
// so, messages are rows that have lost their envelope.
type debezium struct {
	rows     *rows
	meanings *meanings
}

func newDebezium(f *rows, m *meanings) *debezium {
	m.shape = f.shape
	f.fields = m
	return &debezium{rows: f, meanings: m}
}

// envelope is where the parts of a message stand.
type envelope struct {
	op, after, schema, payload token
	deleted                    token // of a row that has lost its envelope
	others                     bool  // there are members that no wrapping has
	start, end                 int   // where it stands itself
}

func (f *debezium) find(doc []byte, start, end int) (envelope, error) {
	e := envelope{start: start, end: end}
	s := scanner{b: doc[:end], at: start}
	if err := s.enter(); err != nil {
		return e, err
	}
	for first := true; ; first = false {
		name, value, more, err := s.member(first, 1)
		if err != nil {
			return e, err
		}
		if !more {
			return e, s.end()
		}
		switch string(name) {
		case "op":
			e.op = value
		case "after":
			e.after = value
		case "schema":
			e.schema = value
		case "payload":
			e.payload = value
		case "__deleted":
			e.deleted, e.others = value, true
		default:
			e.others = true
		}
	}
}

// message finds the parts of a message, within its payload where it is wrapped. present is false where the
// payload is null: a wrapped tombstone.
func (f *debezium) message(doc []byte) (e envelope, present bool, err error) {
	if e, err = f.find(doc, 0, len(doc)); err != nil {
		return e, false, err
	}
	if e.payload.kind == kindNone || e.schema.kind == kindNone || e.op.kind != kindNone || e.others {
		return e, true, f.meanings.learn(nil)
	}
	outer := e
	if outer.payload.kind == kindNull {
		return e, false, nil
	}
	if err = f.meanings.learn(doc[outer.schema.start:outer.schema.end]); err != nil {
		return e, false, err
	}
	e, err = f.find(doc, outer.payload.start, outer.payload.end)
	return e, true, err
}

var errNoRow = errors.New("it has no row after the change")

// decode implements format.
func (f *debezium) decode(ctx context.Context, r *kgo.Record, d *decoded) error {
	if r.Value == nil {
		return f.remove(ctx, r, d)
	}
	doc, err := f.rows.doc.json(ctx, r, r.Value, false)
	if err != nil {
		return f.blame(ctx, r, d, err)
	}
	e, present, err := f.message(doc)
	switch {
	case err != nil:
		return f.blame(ctx, r, d, undecodable("read value", err))
	case !present:
		return f.remove(ctx, r, d)
	case f.meanings.flat:
		return f.flat(ctx, r, d, doc, e)
	}
	op := ""
	if e.op.kind == kindText {
		op = string(doc[e.op.start+1 : e.op.end-1])
	}
	switch op {
	case "m":
		d.op = 0
		return nil
	case "t":
		d.op = cdc.Truncate
		return nil
	case "d":
		return f.remove(ctx, r, d)
	case "c", "u", "r":
	default:
		return f.blame(ctx, r, d, undecodable("read value", fmt.Errorf("there is no operation %.40q; messages without an envelope are read with unwrapped: true", doc[e.op.start:e.op.end])))
	}
	if d.key, err = f.rows.keys.read(ctx, r, d.key[:0]); err != nil {
		return err
	}
	if e.after.kind != kindObject {
		return undecodable("read value", errNoRow)
	}
	return f.rows.upsert(doc, e.after.start, e.after.end, d)
}

// flat reads a row that has lost its envelope.
func (f *debezium) flat(ctx context.Context, r *kgo.Record, d *decoded, doc []byte, e envelope) error {
	if word := doc[e.deleted.start:e.deleted.end]; string(word) == "true" || string(word) == `"true"` {
		return f.remove(ctx, r, d)
	}
	var err error
	if d.key, err = f.rows.keys.read(ctx, r, d.key[:0]); err != nil {
		return err
	}
	return f.rows.upsert(doc, e.start, e.end, d)
}

func (f *debezium) remove(ctx context.Context, r *kgo.Record, d *decoded) error {
	var err error
	d.op = cdc.Delete
	d.key, err = f.rows.keys.read(ctx, r, d.key[:0])
	return err
}

// blame gives the fault of a value together with the key that it stands under, where that can be read.
func (f *debezium) blame(ctx context.Context, r *kgo.Record, d *decoded, fault error) error {
	key, err := f.rows.keys.read(ctx, r, d.key[:0])
	if err != nil {
		return err
	}
	d.key = key
	return fault
}
