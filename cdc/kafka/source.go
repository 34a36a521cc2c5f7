package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
)

// Source reads a topic, or several, as one keyed collection.
type Source struct {
	o Options

	schema *cdc.Schema
	mirror mirror
}

// New declares a source. Its faults are *OptionError, joined.
func New(o Options) (*Source, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	o.Schema = slices.Clone(o.Schema)
	return &Source{o: o, schema: o.schemaOf(o.Schema), mirror: mirror{access: o.Access, group: o.Group, log: o.Logger}}, nil
}

// Collections implements stream.Source. It asks nobody.
func (s *Source) Collections(context.Context) ([]cdc.Collection, error) {
	return []cdc.Collection{{Schema: s.schema}}, nil
}

// several reports whether positions name their topics.
func (s *Source) several() bool { return s.o.Topics != "" }

// Describe implements stream.Describer: `0:120,1:98`, the next offset of each partition, or
// `orders/0/119`, where one record lies.
func (s *Source) Describe(p cdc.Position) string {
	c, at, err := decodePosition(p)
	switch {
	case err != nil:
		return fmt.Sprintf("%x", string(p))
	case at != nil:
		return at.String()
	}
	return c.text(s.several())
}

// ParsePosition implements stream.Parser: it reads what Describe writes of a transaction.
func (s *Source) ParsePosition(text string) (cdc.Position, error) {
	c, err := parseCursor(s.o.Topic, text)
	if err != nil {
		return "", err
	}
	return cdc.Position(c.append(nil)), nil
}

// Reached implements stream.Partitioned: every partition that want names has been read as far as it says.
func (s *Source) Reached(at, want cdc.Position) bool {
	a, err := decodeCursor(at)
	if err != nil {
		return false
	}
	w, err := decodeCursor(want)
	return err == nil && a.reached(w)
}

// Covers implements stream.Partitioned: the record lies before the next offset that want names of its
// partition.
func (s *Source) Covers(want, origin cdc.Position) bool {
	w, err := decodeCursor(want)
	if err != nil {
		return false
	}
	c, at, err := decodePosition(origin)
	switch {
	case err != nil:
		return false
	case at == nil:
		return w.reached(c)
	}
	p := w.partition(at.topic, at.partition)
	return p != nil && at.offset < p.next
}

// Rereads implements stream.Rereader: a topic can be read from its first offset again, and then lacks what
// retention has removed.
func (s *Source) Rereads() bool { return true }

// Sparse implements stream.Sparse: Debezium leaves out large values that did not change.
func (s *Source) Sparse() bool { return s.o.Format == "debezium" }

// format makes the reader of the records' form.
func (s *Source) format(carried []int) (format, *decoded) {
	d := &decoded{carried: carried}
	if carried == nil {
		for i := range s.schema.Columns {
			d.carried = append(d.carried, i)
		}
	}
	doc := document(plain{})
	switch s.o.Format {
	case "string":
		return &texts{keys: newKeys(nil, plain{})}, d
	case "cloudevents":
		return newCloudEvents(s.schema, doc), d
	case "debezium":
		return newDebezium(newRows(s.schema, doc), &meanings{unit: s.o.TimeUnit}), d
	}
	return newRows(s.schema, doc), d
}
