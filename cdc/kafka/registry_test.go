package kafka

import (
	"encoding/binary"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/freshet/freshet/cdc"
)

// books is a registry in this process.
type books struct {
	t      *testing.T
	url    string
	client *sr.Client
	asked  atomic.Int64
	refuse atomic.Int64 // requests to be refused with 503
}

func newBooks(t *testing.T) *books {
	t.Helper()
	registry := srfake.New()
	t.Cleanup(registry.Close)
	b := &books{t: t}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		if b.refuse.Add(-1) >= 0 {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		registry.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	b.url = front.URL
	client, err := sr.NewClient(sr.URLs(front.URL))
	if err != nil {
		t.Fatal(err)
	}
	b.client = client
	return b
}

// register gives the number of a schema.
func (b *books) register(subject string, s sr.Schema) int {
	b.t.Helper()
	made, err := b.client.CreateSchema(b.t.Context(), subject, s)
	if err != nil {
		b.t.Fatal(err)
	}
	return made.ID
}

func framed(id int, body []byte) string {
	return string(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), body...))
}

func encoded(t *testing.T, schema string, value any) []byte {
	t.Helper()
	s, err := avro.ParseWithCache(schema, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := avro.Marshal(s, value)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

const orderSchema = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"]},{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},{"name":"raw","type":"bytes"},
	{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["a","b"]}},{"name":"tags","type":{"type":"array","items":"string"}},{"name":"more","type":{"type":"map","values":"int"}},
	{"name":"ok","type":"boolean"},{"name":"share","type":"double"},{"name":"rough","type":"float"}]}`

func order() map[string]any {
	return map[string]any{"id": int64(7), "note": "ä\"x", "at": time.UnixMicro(1700000000123456).UTC(), "day": time.Unix(19000*86400, 0).UTC(), "price": big.NewRat(-1250, 100), "raw": []byte{0xff, 0xfe},
		"kind": "b", "tags": []any{"x", "y"}, "more": map[string]any{"n": 1}, "ok": true, "share": 0.5, "rough": float32(0.25)}
}

func TestAvroRecordsAreReadBySchemasOfTheRegistry(t *testing.T) {
	b := newBooks(t)
	id := b.register("t-value", sr.Schema{Schema: orderSchema, Type: sr.TypeAvro})
	key := b.register("t-key", sr.Schema{Schema: `"string"`, Type: sr.TypeAvro})
	r := newReading(t, Options{Format: "avro", Registry: &Registry{URL: b.url}})
	want := `{key* string, id int, note string?, at timestamp, day date, price decimal, raw bytes, kind enum(a, b), tags [string], more json, ok bool, share float, rough float}`
	if got := r.schema.String(); got != want {
		t.Errorf("the columns are %s, want %s", got, want)
	}
	row := ` id=7 note="ä\"x" at="2023-11-14T22:13:20.123456Z" day="2022-01-08" price="-12.50" raw="//4=" kind="b" tags=["x","y"] more={"n":1} ok=true share=0.5 rough=0.25`
	value := framed(id, encoded(t, orderSchema, order()))
	asked := b.asked.Load()
	for _, c := range []struct{ name, key, value, want string }{
		{"a text as key", "k", value, `+ k key="k"` + row},
		{"a key with a schema", framed(key, encoded(t, `"string"`, "k2")), value, `+ k2 key="k2"` + row},
		{"a tombstone", "k", "null", "- k"},
		{"a value without a schema", "k", `{"id":1}`, "decode_error k"},
		{"a schema that is not there", "k", framed(999, nil), "decode_error k"},
		{"bytes that end early", "k", value[:len(value)-1], "decode_error k"},
		{"bytes that are left over", "k", value + "x", "decode_error k"},
	} {
		if got := r.read(t, record(c.key, c.value)); got != c.want {
			t.Errorf("%s: it says\n%s, want\n%s", c.name, got, c.want)
		}
	}
	if n := b.asked.Load() - asked; n != 3 {
		t.Errorf("the registry is asked %d times, want once for each of two schemas and one that is not there", n)
	}
}

func TestDebeziumInAvroAndJSONWithASchema(t *testing.T) {
	b := newBooks(t)
	value := `{"type":"record","name":"Value","namespace":"d.docs","fields":[{"name":"id","type":"int"},{"name":"title","type":["null","string"]},
		{"name":"at","type":["null",{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}]}]}`
	envelope := `{"type":"record","name":"Envelope","namespace":"d.docs","fields":[{"name":"before","type":["null",` + value + `]},{"name":"after","type":["null","d.docs.Value"]},{"name":"op","type":"string"}]}`
	id := b.register("t-value", sr.Schema{Schema: envelope, Type: sr.TypeAvro})
	keySchema := `{"type":"record","name":"Key","namespace":"d.docs","fields":[{"name":"id","type":"int"}]}`
	key := framed(b.register("t-key", sr.Schema{Schema: keySchema, Type: sr.TypeAvro}), encoded(t, keySchema, map[string]any{"id": 1}))
	r := newReading(t, Options{Format: "debezium", Key: []string{"id"}, Registry: &Registry{URL: b.url}})
	if got := r.schema.String(); got != `{id* int, title string?, at timestamp?}` {
		t.Errorf("the columns are %s", got)
	}
	after := map[string]any{"d.docs.Value": map[string]any{"id": 1, "title": "__debezium_unavailable_value", "at": int64(1700000000123456)}}
	body := encoded(t, envelope, map[string]any{"before": nil, "after": after, "op": "u"})
	if got := r.read(t, record(key, framed(id, body))); got != `+ 1 id=1 title=unchanged at="2023-11-14T22:13:20.123456Z"` {
		t.Errorf("an update says %s", got)
	}
	if got := r.read(t, record(key, framed(id, encoded(t, envelope, map[string]any{"before": nil, "after": nil, "op": "d"})))); got != "- 1" {
		t.Errorf("a delete says %s", got)
	}
	plain := b.register("j-value", sr.Schema{Schema: `{"type":"object"}`, Type: sr.TypeJSON})
	j := newReading(t, Options{Schema: columns(t, "n int"), Registry: &Registry{URL: b.url}})
	if got := j.read(t, record("k", framed(plain, []byte(`{"n":1}`)))); got != `+ k key="k" n=1` {
		t.Errorf("JSON with a schema says %s", got)
	}
}

func TestSchemasMayReferToOthers(t *testing.T) {
	b := newBooks(t)
	inner := `{"type":"record","name":"Inner","namespace":"x","fields":[{"name":"n","type":"int"}]}`
	b.register("inner", sr.Schema{Schema: inner, Type: sr.TypeAvro})
	outer := `{"type":"record","name":"Outer","namespace":"x","fields":[{"name":"n","type":"int"},{"name":"in","type":"x.Inner"}]}`
	id := b.register("t-value", sr.Schema{Schema: outer, Type: sr.TypeAvro, References: []sr.SchemaReference{{Name: "x.Inner", Subject: "inner", Version: 1}}})
	r := newReading(t, Options{Format: "avro", Registry: &Registry{URL: b.url}})
	if got := r.read(t, record("k", framed(id, []byte{2, 4}))); got != `+ k key="k" n=1 in={"n":2}` {
		t.Errorf("it says %s", got)
	}
}

func TestProtobufRecordsAreReadBySchemasOfTheRegistry(t *testing.T) {
	b := newBooks(t)
	b.register("common", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package c; message Place { string city = 1; }`})
	id := b.register("t-value", sr.Schema{Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "c/common.proto", Subject: "common", Version: 1}}, Schema: `
		syntax = "proto3"; package o;
		import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto"; import "c/common.proto";
		enum Kind { NONE = 0; BIG = 1; }
		message Order { int64 id = 1; string note = 2; optional string more = 3; google.protobuf.Timestamp at = 4; google.protobuf.Int64Value count = 5;
			Kind kind = 6; repeated string tags = 7; map<string, int32> sizes = 8; c.Place place = 9; bytes raw = 10; double share = 11; bool ok = 12; uint64 large = 13;
			message Line { int32 n = 1; } }`})
	r := newReading(t, Options{Format: "protobuf", Registry: &Registry{URL: b.url}})
	if got, want := r.schema.String(), `{key* string, id int, note string, more string?, at timestamp?, count int?, kind string, tags [string], sizes json, place json?, raw bytes, share float, ok bool, large int}`; got != want {
		t.Errorf("the columns are %s, want %s", got, want)
	}
	full := []byte{0, 8, 7, 18, 1, 'x', 26, 1, 'y', 34, 6, 8, 0x80, 0xe2, 0xcf, 0xaa, 0x06, 42, 2, 8, 9, 48, 1, 58, 1, 'a', 58, 1, 'b', 66, 5, 10, 1, 'k', 16, 3, 74, 3, 10, 1, 'H', 82, 1, 0xff, 96, 1}
	empty := ` id=0 note="" more=null at=null count=null kind="NONE" tags=[] sizes={} place=null raw="" share=0 ok=false large=0`
	for _, c := range []struct{ name, value, want string }{
		{"every field", framed(id, full), `+ k key="k" id=7 note="x" more="y" at="2023-11-14T22:13:20Z" count=9 kind="BIG" tags=["a","b"] sizes={"k":3} place={"city":"H"} raw="/w==" share=0 ok=true large=0`},
		{"no field", framed(id, []byte{0}), `+ k key="k"` + empty},
		{"another message of the schema", framed(id, []byte{4, 0, 0, 8, 1}), "decode_error k"},
		{"a message that is not there", framed(id, []byte{2, 8}), "decode_error k"},
		{"damaged bytes", framed(id, []byte{0, 0xff}), "decode_error k"},
		{"an enum that the schema does not name", framed(id, []byte{0, 48, 9}), "decode_error k"},
	} {
		if got := r.read(t, record("k", c.value)); got != c.want {
			t.Errorf("%s: it says\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

// An outage of the registry is told as one, and never blamed on a record.
func TestARegistryThatIsAwayIsAnOutage(t *testing.T) {
	b := newBooks(t)
	id := b.register("t-value", sr.Schema{Schema: `{"type":"record","name":"V","fields":[{"name":"n","type":"int"}]}`, Type: sr.TypeAvro})
	r := newReading(t, Options{Format: "avro", Schema: columns(t, "n int"), Registry: &Registry{URL: b.url}})
	b.refuse.Store(100)
	rec := record("k", framed(id, []byte{2}))
	err := r.format.decode(t.Context(), rec, r.d)
	var outage *registryError
	if !errors.As(err, &outage) || errors.As(err, new(*rejection)) {
		t.Fatalf("it ends with %v, want an outage", err)
	}
	var fault *cdc.SourceError
	if !errors.As(outage.unreachable(), &fault) || fault.Code != "server_unreachable" || fault.Hint == "" {
		t.Errorf("it is told as %v", fault)
	}
	b.refuse.Store(0)
	if got := r.read(t, rec); got != `+ k key="k" n=1` {
		t.Errorf("afterwards it says %s", got)
	}
}

func FuzzAvro(f *testing.F) {
	s := avro.MustParse(orderSchema)
	f.Add([]byte{14, 2, 2, 'x', 0, 0, 2, 0, 0, 2, 2, 2, 'x', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := avroReader{b: b}
		out := in.append(nil, s, 0)
		if in.err != nil {
			return
		}
		if err := scan(out); err != nil {
			t.Fatalf("%x is written as what is no JSON (%v): %s", b, err, out)
		}
	})
}
