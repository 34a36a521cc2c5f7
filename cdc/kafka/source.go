package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Source reads a topic, or several, as one keyed collection.
type Source struct {
	o Options

	mirror mirror

	mu     sync.Mutex
	schema *cdc.Schema // nil: the registry has not been asked yet
}

// New declares a source. Its faults are *cdc.OptionError, joined.
func New(o Options) (*Source, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	o.Schema = slices.Clone(o.Schema)
	s := &Source{o: o, mirror: mirror{access: o.Access, group: o.Group, log: o.Logger}}
	if len(o.Schema) > 0 || o.Registry == nil {
		s.schema = o.schemaOf(o.Schema)
	}
	return s, nil
}

// Collections implements stream.Source. It asks nobody, unless the registry has to tell the columns.
func (s *Source) Collections(ctx context.Context) ([]cdc.Collection, error) {
	schema, err := s.known(ctx)
	var option *cdc.OptionError
	if errors.As(err, &option) {
		err = &cdc.SourceError{Code: "bad_value", Err: err, Hint: option.Hint}
	}
	if err != nil {
		return nil, err
	}
	return []cdc.Collection{{Schema: schema}}, nil
}

// known is the schema of the rows.
func (s *Source) known(ctx context.Context) (*cdc.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema != nil {
		return s.schema, nil
	}
	if s.o.Topic == "" {
		return nil, badOption("schema", "name the fields with their types", "which fields several topics have in common has to be said")
	}
	fields, err := s.o.Registry.fields(ctx, &s.o)
	if err != nil {
		return nil, err
	}
	if faults := s.o.checkKey(fields); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s.schema = s.o.schemaOf(fields)
	return s.schema, nil
}

// several reports whether positions name their topics.
func (s *Source) several() bool { return s.o.Topics != "" }

// Describe implements stream.Describer: `0:120,1:98`, the next offset of each partition, or
// `orders/0/119`, where one record lies.
func (s *Source) Describe(p cdc.Position) string {
	if at, ok := decodePlace(p); ok {
		return at.String()
	}
	c, err := decodeCursor(p)
	if err != nil {
		return fmt.Sprintf("%x", string(p))
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
func (s *Source) format(schema *cdc.Schema, carried []int) (format, *decoded, error) {
	d := &decoded{carried: carried}
	if carried == nil {
		for i := range schema.Columns {
			d.carried = append(d.carried, i)
		}
	}
	doc := document(plain{})
	if s.o.Registry != nil {
		client, err := s.o.Registry.client()
		if err != nil {
			return nil, nil, err
		}
		doc = &registered{client: client, known: map[schemaID]*writerSchema{}}
	}
	switch s.o.Format {
	case "string":
		return &texts{keys: newKeys(nil, plain{})}, d, nil
	case "cloudevents":
		return newCloudEvents(schema, doc), d, nil
	case "debezium":
		return newDebezium(newRows(schema, doc), &meanings{unit: s.o.TimeUnit, flat: s.o.Unwrapped}), d, nil
	}
	return newRows(schema, doc), d, nil
}
