package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cloudEvents is the format of CloudEvents 1.0: structured (the whole event as JSON) and binary (its context
// in headers), mixed as they come. A row is the newest event of a record's key: the key, the event's
// context, the fields of its data.
type cloudEvents struct {
	keys    *keys
	context *shape // the columns of the context, by their names in the event
	data    *shape
	doc     document
	values  values
	found   []token // of the context
	fields  []token // of the data
}

// eventColumns are the columns that the context of an event gives.
func eventColumns() []cdc.Column {
	text := cdc.Type{Kind: cdc.String}
	return []cdc.Column{
		{Name: "ce_id", Type: text}, {Name: "ce_source", Type: text}, {Name: "ce_type", Type: text},
		{Name: "ce_subject", Type: text.OrNull()}, {Name: "ce_time", Type: cdc.Type{Kind: cdc.Timestamp}.OrNull()},
	}
}

func newCloudEvents(schema *cdc.Schema, doc document) *cloudEvents {
	columns := eventColumns()
	names := make([]cdc.Column, len(columns))
	for i, c := range columns {
		names[i] = cdc.Column{Name: strings.TrimPrefix(c.Name, "ce_"), Type: c.Type}
	}
	f := &cloudEvents{keys: newKeys(nil, plain{}), doc: doc, context: newShape(names), data: newShape(schema.Columns[1+len(columns):])}
	f.found, f.fields = make([]token, len(names)), make([]token, len(f.data.columns))
	return f
}

// decode implements format.
func (f *cloudEvents) decode(ctx context.Context, r *kgo.Record, d *decoded) error {
	if ended, err := f.keys.begin(ctx, r, d); ended || err != nil {
		return err
	}
	var head, body []byte
	var err error
	if isBinary(r) {
		if head, err = contextOf(r); err == nil {
			body, err = f.doc.json(ctx, r, r.Value, false)
		}
	} else {
		head, body, err = f.structured(r)
	}
	if err != nil {
		return err
	}
	return f.build(head, body, d)
}

// isBinary reports whether an event's context is in the headers.
func isBinary(r *kgo.Record) bool {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Key, "ce_specversion") {
			return true
		}
	}
	return false
}

// contextOf writes the context of a binary event as an object.
func contextOf(r *kgo.Record) ([]byte, error) {
	head := []byte{'{'}
	for _, h := range r.Headers {
		name := strings.ToLower(h.Key)
		if !strings.HasPrefix(name, "ce_") {
			continue
		}
		if name == "ce_specversion" && string(h.Value) != "1.0" {
			return nil, undecodable("read event", fmt.Errorf("there is no specversion %.20q", h.Value))
		}
		if len(head) > 1 {
			head = append(head, ',')
		}
		head = append(cdc.AppendJSONString(head, name[len("ce_"):]), ':')
		head = cdc.AppendJSONString(head, string(h.Value))
	}
	return append(head, '}'), nil
}

var errNoEvent = errors.New("it is no CloudEvent: it has no specversion 1.0, neither in a header nor in its value")

// structured finds the data in an event that is one document. The body is nil where there is none.
func (f *cloudEvents) structured(r *kgo.Record) (head, body []byte, err error) {
	s := scanner{b: r.Value}
	if err := s.enter(); err != nil {
		return nil, nil, undecodable("read event", err)
	}
	known := false
	for first := true; ; first = false {
		name, value, more, err := s.member(first, 1)
		if err != nil {
			return nil, nil, undecodable("read event", err)
		}
		if !more {
			break
		}
		text := r.Value[value.start:value.end]
		switch string(name) {
		case "specversion":
			known = string(text) == `"1.0"`
		case "data":
			body = text
		case "data_base64":
			return nil, nil, undecodable("read event", errors.New("its data is not JSON"))
		}
	}
	if err := s.end(); err != nil {
		return nil, nil, undecodable("read event", err)
	}
	if !known {
		return nil, nil, undecodable("read event", errNoEvent)
	}
	return r.Value, body, nil
}

// build makes the row of an event.
func (f *cloudEvents) build(head, body []byte, d *decoded) error {
	if err := f.context.find(&scanner{b: head}, f.found); err != nil {
		return undecodable("read event", err)
	}
	clear(f.fields)
	if s := (scanner{b: body}); len(body) > 0 && s.peek() != 'n' {
		if err := f.data.find(&s, f.fields); err != nil {
			return undecodable("read data of event", err)
		}
		if err := s.end(); err != nil {
			return undecodable("read data of event", err)
		}
	}
	d.op = cdc.Update
	d.row.Reset()
	for _, i := range d.carried {
		var err error
		switch at := i - 1; {
		case i == 0:
			d.row.Bytes(f.keys.said)
		case at < len(f.found):
			c := &f.context.columns[at]
			if err = f.values.add(&d.row, &c.Type, head, f.found[at]); err != nil {
				err = fmt.Errorf("read %s of event: %w", c.Name, err)
			}
		default:
			at -= len(f.found)
			c := &f.data.columns[at]
			if err = f.values.add(&d.row, &c.Type, body, f.fields[at]); err != nil {
				err = fmt.Errorf("read field %s: %w", c.Name, err)
			}
		}
		if err != nil {
			return &rejection{code: codeDecode, err: err}
		}
	}
	return nil
}
