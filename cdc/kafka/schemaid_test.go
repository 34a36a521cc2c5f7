package kafka

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

// guid gives the header that names a schema by its GUID.
func (b *books) guid(subject string) string {
	b.t.Helper()
	s, err := b.client.SchemaByVersion(b.t.Context(), subject, -1)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(s.GUID, "-", ""))
	if err != nil || len(raw) != 16 {
		b.t.Fatalf("the registry gives the GUID %q", s.GUID)
	}
	return "\x01" + string(raw)
}

// Ids of schemas may stand in headers, as numbers or GUIDs; the value is then the body alone.
func TestSchemasMayBeNamedInHeaders(t *testing.T) {
	b := newBooks(t)
	schema := `{"type":"record","name":"V","fields":[{"name":"n","type":"int"}]}`
	id := b.register("t-value", sr.Schema{Schema: schema, Type: sr.TypeAvro})
	b.register("t-key", sr.Schema{Schema: `"string"`, Type: sr.TypeAvro})
	guid, key := b.guid("t-value"), b.guid("t-key")
	r := newReading(t, Options{Format: "avro", Schema: columns(t, "n int"), Registry: &Registry{URL: b.url}})
	asked := b.asked.Load()
	unknown := "\x01" + strings.Repeat("u", 16)
	for _, c := range []struct {
		name, key, value string
		headers          []string
		want             string
	}{
		{"the GUID of the value", "k", "\x04", []string{"__value_schema_id", guid}, `+ k key="k" n=2`},
		{"the number of the value", "k", "\x04", []string{"__value_schema_id", framed(id, nil)}, `+ k key="k" n=2`},
		{"the GUID before the value", "k", guid + "\x04", nil, `+ k key="k" n=2`},
		{"the number before the value, as ever", "k", framed(id, []byte{4}), nil, `+ k key="k" n=2`},
		{"the GUID of the key", "\x02x", "\x04", []string{"__key_schema_id", key, "__value_schema_id", guid}, `+ x key="x" n=2`},
		{"the last header of several", "k", "\x04", []string{"__value_schema_id", unknown, "__value_schema_id", guid}, `+ k key="k" n=2`},
		{"headers of other names", "k", framed(id, []byte{4}), []string{"__value_schema", guid, "__key_schema", guid}, `+ k key="k" n=2`},
		{"a GUID that the registry does not know", "k", "\x04", []string{"__value_schema_id", unknown}, "decode_error k"},
		{"a header that is too short", "k", framed(id, []byte{4}), []string{"__value_schema_id", guid[:16]}, "decode_error k"},
		{"a header of an unknown form", "k", framed(id, []byte{4}), []string{"__value_schema_id", "\x02" + guid}, "decode_error k"},
		{"a header of the key that is none", "k", framed(id, []byte{4}), []string{"__key_schema_id", ""}, "decode_error"},
		{"an empty value", "k", "", []string{"__value_schema_id", guid}, "decode_error k"},
		{"a tombstone", "k", "null", []string{"__value_schema_id", guid}, "- k"},
	} {
		if got := r.read(t, record(c.key, c.value, c.headers...)); strings.TrimSpace(got) != c.want {
			t.Errorf("%s: it says\n%s, want\n%s", c.name, got, c.want)
		}
	}
	if n := b.asked.Load() - asked; n != 4 {
		t.Errorf("the registry is asked %d times, want once for each way to name a schema, and for one that is not there", n)
	}
	rec := record("k", framed(id, []byte{4}), "__value_schema_id", "x")
	rec.Headers[0].Value = nil
	if got := r.read(t, rec); got != `+ k key="k" n=2` {
		t.Errorf("a header that is null: it says %s", got)
	}
}

// Of Protobuf the header says which message it is; of JSON Schema nothing stands before the text.
func TestProtobufAndJSONMayBeNamedInHeaders(t *testing.T) {
	b := newBooks(t)
	b.register("p-value", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; message Other { int64 x = 1; } message V { int64 n = 1; }`})
	b.register("j-value", sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`})
	p := newReading(t, Options{Format: "protobuf", Schema: columns(t, "n int"), Registry: &Registry{URL: b.url}})
	j := newReading(t, Options{Schema: columns(t, "n int"), Registry: &Registry{URL: b.url}})
	guid := b.guid("p-value")
	for _, c := range []struct {
		name   string
		r      *reading
		header string
		value  string
		want   string
	}{
		{"the second message", p, guid + "\x02\x02", "\x08\x05", `+ k key="k" n=5`},
		{"the second message, without a field", p, guid + "\x02\x02", "", `+ k key="k" n=0`},
		{"no place of a message", p, guid, "\x08\x05", "decode_error k"},
		{"JSON", j, b.guid("j-value"), `{"n":6}`, `+ k key="k" n=6`},
	} {
		if got := c.r.read(t, record("k", c.value, "__value_schema_id", c.header)); got != c.want {
			t.Errorf("%s: it says\n%s, want\n%s", c.name, got, c.want)
		}
	}
}
