package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
)

// Options say what is read and how.
type Options struct {
	broker.Access
	Topic  string // read one topic …
	Topics string // … or every topic whose whole name matches this regular expression
	// Format is json, debezium, avro, protobuf, string or cloudevents; default json. Avro and protobuf need a
	// Registry; json, debezium and cloudevents may have one, and are then what their schemas say.
	Format string
	// Key names the columns of the key, which are fields of the record's key and of the row; nil: the key is
	// a text, the column `key`. Debezium needs it.
	Key []string
	// Schema are the fields that are read of a row; nil: those that the registry tells.
	Schema   []cdc.Column
	Registry *Registry
	// Start is where a first run begins: earliest (default) or latest.
	Start string
	// OnGap says what happens when records after the place that was read last are gone, or the topic is
	// another one: fail (default) stops with [cdc.ErrGap], reread asks to be read again, [cdc.ErrReread].
	OnGap string
	// TimeUnit is what numbers count that stand for a timestamp in Debezium messages without a schema;
	// default 1µs.
	TimeUnit time.Duration
	// Unwrapped says that Debezium messages have lost their envelope on the way (ExtractNewRecordState): the value is
	// the row, and one with a true field __deleted is its end.
	Unwrapped bool
	// Group is a consumer group that mirrors how far the state is, for tools that show lag. Nothing is read
	// from it. Empty: none.
	Group  string
	Logger *slog.Logger
}

func badOption(option, hint, format string, args ...any) error {
	return &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint}
}

// Formats are the forms of records that can be read.
func Formats() []string {
	return []string{"json", "debezium", "avro", "protobuf", "string", "cloudevents"}
}

// settle checks the options and sets defaults.
func (o *Options) settle() error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Format == "" {
		o.Format = "json"
	}
	if o.TimeUnit == 0 {
		o.TimeUnit = time.Microsecond
	}
	var faults []error
	fault := func(err error) { faults = append(faults, err) }
	switch {
	case o.Topic == "" && o.Topics == "":
		fault(badOption("topic", "name the topic to read", "there is no topic"))
	case o.Topic != "" && o.Topics != "":
		fault(badOption("topics", "keep one of them", "topic and topics are both given"))
	case o.Topics != "":
		if _, err := regexp.Compile(o.Topics); err != nil {
			fault(badOption("topics", "write a regular expression that matches whole names, such as orders-.*", "read topics: %w", err))
		}
	}
	if !slices.Contains(Formats(), o.Format) {
		fault(badOption("format", "write one of "+strings.Join(Formats(), ", "), "there is no format %q", o.Format))
	}
	for _, c := range []struct{ option, value, first, second string }{{"start", o.Start, "earliest", "latest"}, {"on_gap", o.OnGap, "fail", "reread"}} {
		if c.value != "" && c.value != c.first && c.value != c.second {
			fault(badOption(c.option, "write "+c.first+" or "+c.second, "%s is %q", c.option, c.value))
		}
	}
	if _, err := o.Access.Options(); err != nil {
		fault(err)
	}
	faults = append(faults, o.settleSchema()...)
	return errors.Join(faults...)
}

// settleSchema holds columns, key and registry against the format.
func (o *Options) settleSchema() []error {
	var faults []error
	fault := func(err error) { faults = append(faults, err) }
	if (o.Format == "avro" || o.Format == "protobuf") && o.Registry == nil {
		fault(badOption("registry", "give the address of the schema registry, such as registry: http://localhost:8081", "records in %s need a registry that tells their schemas", o.Format))
	}
	if o.Registry != nil {
		if _, err := o.Registry.client(); err != nil || o.Registry.URL == "" {
			fault(badOption("registry", "give its address, such as registry: http://localhost:8081", "the registry has no address"))
		}
	}
	if o.Format == "string" && (len(o.Schema) > 0 || len(o.Key) > 0 || o.Registry != nil) {
		fault(badOption("schema", "leave out schema, key and registry: the columns are key and value", "records that are texts have no fields"))
	}
	if len(o.Schema) == 0 && o.Registry == nil && (o.Format == "json" || o.Format == "debezium") {
		fault(badOption("schema", "name the fields with their types, such as schema: {id: int, title: \"string?\"}", "a %s source needs a schema", o.Format))
	}
	if o.Format == "debezium" && len(o.Key) == 0 {
		fault(badOption("key", "name the fields of the key, such as key: [id]", "a debezium source needs a key"))
	}
	if o.Unwrapped && o.Format != "debezium" {
		fault(badOption("unwrapped", "leave it out, or write format: debezium", "only debezium messages have an envelope to lose"))
	}
	if o.Format == "cloudevents" && len(o.Key) > 0 {
		fault(badOption("key", "leave it out: the key is the record's, as a text", "a cloudevents source has no key of fields"))
	}
	names := map[string]bool{}
	for _, c := range o.Schema {
		if names[c.Name] {
			fault(badOption("schema", "name each field once", "the field %s is there twice", c.Name))
		}
		names[c.Name] = true
	}
	if len(o.Key) == 0 && names[keyColumn] {
		fault(badOption("schema", "the column key is the record's key; call the field's key by naming it: key: [key]", "the field key is already a column"))
	}
	if len(o.Schema) > 0 {
		faults = append(faults, o.checkKey(o.Schema)...)
	}
	return faults
}

// checkKey makes sure that the columns of the key are there and can be part of a key.
func (o *Options) checkKey(columns []cdc.Column) []error {
	var faults []error
	for _, name := range o.Key {
		i := slices.IndexFunc(columns, func(c cdc.Column) bool { return c.Name == name })
		switch {
		case i < 0:
			faults = append(faults, badOption("key", "name fields of the schema", "the schema has no field %s", name))
		case !cdc.Keyable(columns[i].Type.Kind):
			faults = append(faults, badOption("key", "a key is made of texts, numbers, times and the like", "%s is %s and cannot be part of a key", name, columns[i].Type))
		}
	}
	return faults
}

// schemaOf is the schema of rows with these fields.
func (o *Options) schemaOf(fields []cdc.Column) *cdc.Schema {
	if o.Format == "string" {
		return textSchema()
	}
	s := &cdc.Schema{}
	if len(o.Key) == 0 {
		s.Columns, s.Key = []cdc.Column{{Name: keyColumn, Type: cdc.Type{Kind: cdc.String}}}, []int{0}
	}
	if o.Format == "cloudevents" {
		s.Columns = append(s.Columns, eventColumns()...)
	}
	s.Columns = append(s.Columns, fields...)
	for _, name := range o.Key {
		s.Key = append(s.Key, s.Index(name))
	}
	for _, k := range s.Key {
		s.Columns[k].Type.Nullable = false
	}
	return s
}
