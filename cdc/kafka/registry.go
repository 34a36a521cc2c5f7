package kafka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet/freshet/cdc"
)

// Registry says where the schemas of records are: a registry that speaks Confluent's protocol.
type Registry struct {
	URL      string
	User     string // empty: nobody is authenticated
	Password string
}

// registryTimeout bounds one question to a registry.
const registryTimeout = 5 * time.Second

func (r *Registry) client() (*sr.Client, error) {
	options := []sr.ClientOpt{sr.URLs(r.URL), sr.HTTPClient(&http.Client{Timeout: registryTimeout})}
	if r.User != "" {
		options = append(options, sr.BasicAuth(r.User, r.Password))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("open client of the schema registry: %w", err)
	}
	return client, nil
}

// registryError is a registry that does not answer, or not to us. It is an outage: no record is to blame.
type registryError struct{ err error }

func (e *registryError) Error() string { return e.err.Error() }
func (e *registryError) Unwrap() error { return e.err }

func (e *registryError) denied() bool {
	var answer *sr.ResponseError
	return errors.As(e.err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}

// unreachable names a registry that cannot be asked.
func (e *registryError) unreachable() error {
	if e.denied() {
		return &cdc.SourceError{Code: "access_denied", Err: e.err, Hint: "check user and password of the schema registry"}
	}
	return &cdc.SourceError{Code: "server_unreachable", Err: e.err, Hint: "check that the schema registry runs and that its address is right"}
}

// registered makes JSON of records that name their schema in a registry. Each schema is asked for once.
type registered struct {
	client *sr.Client
	known  map[schemaID]*writerSchema
	out    [2][]byte // scratch, of values and of keys
}

// writerSchema is how a record was written.
type writerSchema struct {
	avro     avro.Schema
	protobuf protoreflect.FileDescriptor // neither: it is JSON
}

// json implements document.
func (d *registered) json(ctx context.Context, r *kgo.Record, data []byte, isKey bool) ([]byte, error) {
	n, ok, err := nameOf(r, data, isKey)
	if err != nil {
		return nil, err
	}
	if !ok {
		return data, nil // keys are often plain texts beside values with schemas
	}
	s, ok := d.known[n.id]
	if !ok {
		if s, err = d.fetch(ctx, n.id); err != nil {
			return nil, err
		}
		d.known[n.id] = s
	}
	at := 0
	if isKey {
		at = 1
	}
	if s.protobuf != nil {
		if d.out[at], err = appendProtobuf(d.out[at][:0], s.protobuf, &n); err != nil {
			return nil, undecodable(fmt.Sprintf("read Protobuf of schema %s", n.id), err)
		}
		return d.out[at], nil
	}
	if s.avro == nil {
		return n.whole(), nil
	}
	in := avroReader{b: n.whole()}
	d.out[at] = in.append(d.out[at][:0], s.avro, 0)
	if in.err == nil && len(in.b) > 0 {
		in.err = fmt.Errorf("%d bytes are left", len(in.b))
	}
	if in.err != nil {
		return nil, undecodable(fmt.Sprintf("read Avro of schema %s", n.id), in.err)
	}
	return d.out[at], nil
}

// ask asks the registry for the text of a schema.
func (d *registered) ask(ctx context.Context, id schemaID) (sr.Schema, error) {
	if !id.global {
		return d.client.SchemaByID(ctx, id.number)
	}
	s, err := d.client.SchemaByGUID(ctx, id.String())
	return s.Schema, err
}

// fetch asks the registry for a schema.
func (d *registered) fetch(ctx context.Context, id schemaID) (*writerSchema, error) {
	s, err := d.ask(ctx, id)
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, undecodable("find its schema", fmt.Errorf("the registry has no schema %s", id))
	}
	if err != nil {
		return nil, &registryError{fmt.Errorf("ask the registry for schema %s: %w", id, err)}
	}
	switch s.Type {
	case sr.TypeJSON:
		return &writerSchema{}, nil
	case sr.TypeAvro:
		parsed, err := parseAvro(ctx, d.client, s, &avro.SchemaCache{})
		if err != nil {
			return nil, err
		}
		return &writerSchema{avro: parsed}, nil
	case sr.TypeProtobuf:
		file, err := parseProtobuf(ctx, d.client, s)
		if err != nil {
			return nil, err
		}
		return &writerSchema{protobuf: file}, nil
	}
	return nil, undecodable("find its schema", fmt.Errorf("schema %s is %s, which is not read", id, s.Type))
}

// parseAvro reads a schema with those that it refers to.
func parseAvro(ctx context.Context, client *sr.Client, s sr.Schema, cache *avro.SchemaCache) (avro.Schema, error) {
	for _, ref := range s.References {
		inner, err := client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return nil, &registryError{fmt.Errorf("ask the registry for %s version %d: %w", ref.Subject, ref.Version, err)}
		}
		if _, err := parseAvro(ctx, client, inner.Schema, cache); err != nil {
			return nil, err
		}
	}
	parsed, err := avro.ParseWithCache(s.Schema, "", cache)
	if err != nil {
		return nil, undecodable("read its schema", err)
	}
	return parsed, nil
}

// fields asks the registry for the newest schema of a topic's values, and makes columns of it.
func (r *Registry) fields(ctx context.Context, o *Options) ([]cdc.Column, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	subject := o.Topic + "-value"
	newest, err := client.SchemaByVersion(ctx, subject, -1)
	if err != nil {
		return nil, (&registryError{fmt.Errorf("ask the registry for the newest schema of %s: %w", subject, err)}).unreachable()
	}
	fault := func(err error) error {
		return badOption("schema", "name the fields with their types under schema", "read the schema of %s: %w", subject, err)
	}
	if newest.Type == sr.TypeProtobuf && o.Format != "debezium" {
		file, err := parseProtobuf(ctx, client, newest.Schema)
		if err != nil {
			return nil, fault(err)
		}
		columns, err := protobufColumns(file)
		if err != nil {
			return nil, fault(err)
		}
		return columns, nil
	}
	if newest.Type != sr.TypeAvro {
		return nil, fault(fmt.Errorf("it is %s, which does not tell the types of columns", newest.Type))
	}
	parsed, err := parseAvro(ctx, client, newest.Schema, &avro.SchemaCache{})
	if err != nil {
		return nil, fault(err)
	}
	record, ok := parsed.(*avro.RecordSchema)
	if ok && o.Format == "debezium" {
		record, ok = afterOf(record)
	}
	if !ok {
		return nil, fault(errors.New("it is no record"))
	}
	return avroColumns(record), nil
}
