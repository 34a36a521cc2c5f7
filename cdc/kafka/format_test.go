package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// columns reads declarations such as "id int, title string?".
func columns(t testing.TB, text string) []cdc.Column {
	t.Helper()
	var all []cdc.Column
	for _, part := range strings.Split(text, "; ") {
		name, typ, _ := strings.Cut(part, " ")
		c, err := cdc.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cdc.Column{Name: name, Type: c})
	}
	return all
}

// reading is a source's format with its schema.
type reading struct {
	format format
	d      *decoded
	schema *cdc.Schema
}

func newReading(t testing.TB, o Options) *reading {
	t.Helper()
	o.Access.Brokers, o.Topic = []string{"h:1"}, "t"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := s.known(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, d, err := s.format(schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &reading{f, d, schema}
}

// read says what a record does: `+ key {row}`, `- key`, `truncate`, `nothing`, or the code of its rejection with
// the key that it stands under.
func (r *reading) read(t testing.TB, rec *kgo.Record) string {
	t.Helper()
	r.d.op, r.d.key = 0, r.d.key[:0]
	err := r.format.decode(t.Context(), rec, r.d)
	var bad *rejection
	switch {
	case errors.As(err, &bad) && len(r.d.key) == 0:
		return bad.code
	case errors.As(err, &bad):
		return bad.code + " " + r.d.key.Text()
	case err != nil:
		t.Fatal(err)
	}
	switch r.d.op {
	case 0:
		return "nothing"
	case cdc.Truncate:
		return "truncate"
	case cdc.Delete:
		return "- " + r.d.key.Text()
	}
	row := r.d.row.Build()
	if err := cdc.CheckRow(row); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "+ %s", r.d.key.Text())
	for i, c := range r.schema.Columns {
		v := row.At(i)
		if v.State == cdc.Unchanged {
			fmt.Fprintf(&b, " %s=unchanged", c.Name)
			continue
		}
		fmt.Fprintf(&b, " %s=%s", c.Name, cdc.AppendJSON(nil, &c.Type, v))
	}
	return b.String()
}

func record(key, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: "t", Key: []byte(key), Value: []byte(value)}
	if key == "null" {
		r.Key = nil
	}
	if value == "null" {
		r.Value = nil
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}

func TestJSONRecordsSayWhatTheyDo(t *testing.T) {
	r := newReading(t, Options{Schema: columns(t, "n int; title string?; ok bool?; price float?; more json?; tags [string]?; at timestamp?; d decimal?; day date?; id uuid?; raw bytes?; kind enum(a, b)?")})
	rest := " title=null ok=null price=null more=null tags=null at=null d=null day=null id=null raw=null kind=null"
	for _, c := range []struct{ name, key, value, want string }{
		{"an object is an upsert", "k", `{"n":1}`, `+ k key="k" n=1` + rest},
		{"members come in any order, others are passed over", "k", ` { "x" : [ {} , "n" ] , "title":"é\u00e4\n" , "n" : -9223372036854775808 } `,
			`+ k key="k" n=-9223372036854775808 title="éä\n"` + rest[len(" title=null"):]},
		{"of a name that comes twice the last counts", "k", `{"n":1,"n":2}`, `+ k key="k" n=2` + rest},
		{"every type", "k", `{"n":0,"title":"","ok":true,"price":1e3,"more":{"a": [1]},"tags":["x","y"],"at":"2023-11-14T22:13:20+01:00","d":1.50,"day":"2022-01-08","id":"00010203-0405-0607-0809-0A0b0c0d0e0f","raw":"//4=","kind":"b"}`,
			`+ k key="k" n=0 title="" ok=true price=1000 more={"a": [1]} tags=["x","y"] at="2023-11-14T21:13:20Z" d="1.50" day="2022-01-08" id="00010203-0405-0607-0809-0a0b0c0d0e0f" raw="//4=" kind="b"`},
		{"a null value is a delete", "k", "null", "- k"},
		{"a null key names no row", "null", `{"n":1}`, "null_key"},
		{"a null key and a null value do neither", "null", "null", "null_key"},
		{"an empty key is a key", "", `{"n":1}`, `+  key="" n=1` + rest},
		{"no JSON", "k", "{not json", "decode_error k"},
		{"an empty value", "k", "", "decode_error k"},
		{"another value than an object", "k", `[1]`, "decode_error k"},
		{"JSON with more behind it", "k", `{"n":1} {}`, "decode_error k"},
		{"a text that is no number", "k", `{"n":"1"}`, "decode_error k"},
		{"a fraction that is no int", "k", `{"n":1.0}`, "decode_error k"},
		{"a number beyond int", "k", `{"n":9223372036854775808}`, "decode_error k"},
		{"a missing value", "k", `{"title":"x"}`, "decode_error k"},
		{"a null that is not allowed", "k", `{"n":null}`, "decode_error k"},
		{"a number that is no text", "k", `{"n":1,"title":2}`, "decode_error k"},
		{"a value outside of an enum", "k", `{"n":1,"kind":"c"}`, "decode_error k"},
		{"a time that is none", "k", `{"n":1,"at":"yesterday"}`, "decode_error k"},
		{"bytes that are not UTF-8", "k", "{\"n\":1,\"title\":\"\xff\"}", "decode_error k"},
		{"bytes that are not UTF-8 where nothing reads them", "k", "{\"n\":1,\"x\":\"\xff\"}", `+ k key="k" n=1` + rest},
		{"a key that is not UTF-8", "\xff", `{"n":1}`, "decode_error \xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.read(t, record(c.key, c.value)); got != c.want {
				t.Errorf("it says\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestKeysOfFieldsNameTheRow(t *testing.T) {
	r := newReading(t, Options{Key: []string{"shop", "id"}, Schema: columns(t, "id int; title string?; shop string")})
	for _, c := range []struct{ name, key, value, want string }{
		{"an upsert", `{"id":1,"shop":"a/b"}`, `{"id":1,"shop":"a/b","title":"x"}`, `+ a%2Fb/1 id=1 title="x" shop="a/b"`},
		{"a delete", `{"id":1,"shop":"s"}`, "null", "- s/1"},
		{"a wrapped key", `{"schema":{},"payload":{"id":1,"shop":"s"}}`, "null", "- s/1"},
		{"a row of another key", `{"id":1,"shop":"s"}`, `{"id":2,"shop":"s"}`, "decode_error s/1"},
		{"a key that lacks a field", `{"id":1}`, "null", "decode_error"},
		{"a key that is none", `7`, `{"id":7,"shop":"s"}`, "decode_error"},
		{"no key", "null", `{"id":7,"shop":"s"}`, "null_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.read(t, record(c.key, c.value)); got != c.want {
				t.Errorf("it says\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// wrapped puts a message beside a schema that tells what its fields mean.
func wrapped(payload, fields string) string {
	return `{"schema":{"type":"struct","fields":[{"field":"before","type":"struct","fields":[]},{"field":"after","type":"struct","fields":[` + fields + `]}]},"payload":` + payload + `}`
}

func TestDebeziumMessagesSayWhatTheyDo(t *testing.T) {
	schema := "id int; title string?; at timestamp?; day date?; d decimal?; doc json?; raw bytes?; tags [string]?"
	r := newReading(t, Options{Format: "debezium", Key: []string{"id"}, Schema: columns(t, schema)})
	null := " at=null day=null d=null doc=null raw=null tags=null"
	for _, c := range []struct{ name, key, value, want string }{
		{"create", `{"id":1}`, `{"before":null,"after":{"id":1,"title":"x"},"source":{"lsn":1},"op":"c","ts_ms":1,"transaction":null}`, `+ 1 id=1 title="x"` + null},
		{"read", `{"id":1}`, `{"op":"r","after":{"id":1}}`, `+ 1 id=1 title=null` + null},
		{"update, wrapped", `{"schema":{},"payload":{"id":1}}`, `{"schema":{"type":"struct"},"payload":{"op":"u","before":{"id":1},"after":{"id":1,"title":"y"}}}`, `+ 1 id=1 title="y"` + null},
		{"delete", `{"id":1}`, `{"op":"d","before":{"id":1},"after":null}`, "- 1"},
		{"tombstone", `{"id":1}`, "null", "- 1"},
		{"a wrapped tombstone", `{"id":1}`, `{"schema":null,"payload":null}`, "- 1"},
		{"a logical message", "null", `{"op":"m","message":{"prefix":"p","content":"eA=="}}`, "nothing"},
		{"truncate", "null", `{"op":"t","before":null,"after":null}`, "truncate"},
		{"an unknown operation", `{"id":1}`, `{"op":"x","after":{"id":1}}`, "decode_error 1"},
		{"no operation", `{"id":1}`, `{"after":{"id":1}}`, "decode_error 1"},
		{"no row", `{"id":1}`, `{"op":"u","after":null}`, "decode_error 1"},
		{"no key", "null", `{"op":"c","after":{"id":1}}`, "null_key"},
		{"no JSON", `{"id":1}`, `{"op"`, "decode_error 1"},
		{"values that were not sent", `{"id":1}`, `{"op":"u","after":{"id":1,"title":"__debezium_unavailable_value","raw":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","doc":"__debezium_unavailable_value","tags":["__debezium_unavailable_value"]}}`,
			`+ 1 id=1 title=unchanged at=null day=null d=null doc=unchanged raw=unchanged tags=unchanged`},
		{"numbers without a schema", `{"id":1}`, `{"op":"c","after":{"id":1,"at":1700000000123456,"day":19000,"d":"-12.50","doc":"{\"a\": 1}"}}`,
			`+ 1 id=1 title=null at="2023-11-14T22:13:20.123456Z" day="2022-01-08" d="-12.50" doc={"a": 1} raw=null tags=null`},
		{"milliseconds by schema", `{"id":1}`, wrapped(`{"op":"c","after":{"id":1,"at":1700000000123}}`, `{"field":"at","name":"io.debezium.time.Timestamp"}`),
			`+ 1 id=1 title=null at="2023-11-14T22:13:20.123Z" day=null d=null doc=null raw=null tags=null`},
		{"nanoseconds by schema", `{"id":1}`, wrapped(`{"op":"c","after":{"id":1,"at":1700000000123456789}}`, `{"field":"at","name":"io.debezium.time.NanoTimestamp"}`),
			`+ 1 id=1 title=null at="2023-11-14T22:13:20.123456Z" day=null d=null doc=null raw=null tags=null`},
		{"a zoned time", `{"id":1}`, `{"op":"c","after":{"id":1,"at":"2023-11-14T22:13:20.5Z"}}`, `+ 1 id=1 title=null at="2023-11-14T22:13:20.5Z" day=null d=null doc=null raw=null tags=null`},
		{"a decimal of bytes by schema", `{"id":1}`, wrapped(`{"op":"c","after":{"id":1,"d":"/tw="}}`, `{"field":"d","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}`),
			`+ 1 id=1 title=null at=null day=null d="-2.92" doc=null raw=null tags=null`},
		{"a decimal with its scale", `{"id":1}`, `{"op":"c","after":{"id":1,"d":{"scale":3,"value":"AQ=="}}}`, `+ 1 id=1 title=null at=null day=null d="0.001" doc=null raw=null tags=null`},
		{"the schema of one message is not that of the next", `{"id":1}`, `{"op":"c","after":{"id":1,"at":1700000000123456}}`, `+ 1 id=1 title=null at="2023-11-14T22:13:20.123456Z" day=null d=null doc=null raw=null tags=null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.read(t, record(c.key, c.value)); got != c.want {
				t.Errorf("it says\n%s, want\n%s", got, c.want)
			}
		})
	}
	r = newReading(t, Options{Format: "debezium", Key: []string{"id"}, Schema: columns(t, "id int; at timestamp"), TimeUnit: time.Millisecond})
	if got := r.read(t, record(`{"id":1}`, `{"op":"c","after":{"id":1,"at":1700000000123}}`)); got != `+ 1 id=1 at="2023-11-14T22:13:20.123Z"` {
		t.Errorf("milliseconds by the flow say %s", got)
	}
}

func TestDebeziumMessagesMayHaveLostTheirEnvelope(t *testing.T) {
	r := newReading(t, Options{Format: "debezium", Unwrapped: true, Key: []string{"id"}, Schema: columns(t, "id int; op string?; at timestamp?; d decimal?")})
	flat := func(payload string) string {
		return `{"schema":{"type":"struct","fields":[{"field":"at","name":"io.debezium.time.Timestamp"},{"field":"d","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}]},"payload":` + payload + `}`
	}
	for _, c := range []struct{ name, key, value, want string }{
		{"a row", `{"id":1}`, `{"id":1,"op":"x","at":1700000000123456,"d":"1.5"}`, `+ 1 id=1 op="x" at="2023-11-14T22:13:20.123456Z" d="1.5"`},
		{"a row with its schema", `{"schema":{},"payload":{"id":1}}`, flat(`{"id":1,"at":1700000000123,"d":"/tw="}`), `+ 1 id=1 op=null at="2023-11-14T22:13:20.123Z" d="-2.92"`},
		{"a row that lives", `{"id":1}`, `{"id":1,"__deleted":"false"}`, `+ 1 id=1 op=null at=null d=null`},
		{"a row that is gone", `{"id":1}`, `{"id":1,"__deleted":"true"}`, "- 1"},
		{"a row that is gone, with its schema", `{"id":1}`, flat(`{"id":1,"__deleted":true}`), "- 1"},
		{"a tombstone", `{"id":1}`, "null", "- 1"},
		{"a wrapped tombstone", `{"id":1}`, `{"schema":null,"payload":null}`, "- 1"},
		{"a value that was not sent", `{"id":1}`, `{"id":1,"op":"__debezium_unavailable_value"}`, `+ 1 id=1 op=unchanged at=null d=null`},
		{"an envelope all the same", `{"id":1}`, `{"op":"c","after":{"id":1}}`, "decode_error 1"},
		{"a row of another key", `{"id":1}`, `{"id":2}`, "decode_error 1"},
		{"no object", `{"id":1}`, `7`, "decode_error 1"},
		{"no key", "null", `{"id":1}`, "null_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.read(t, record(c.key, c.value)); got != c.want {
				t.Errorf("it says\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestDecimalsOfBytesAreWrittenOut(t *testing.T) {
	for _, c := range []struct {
		digits []byte
		scale  int
		want   string
	}{
		{[]byte{0}, 0, "0"}, {[]byte{0xff}, 0, "-1"}, {[]byte{0x04, 0xd2}, 2, "12.34"}, {[]byte{0xfb, 0x2e}, 2, "-12.34"},
		{[]byte{1}, 5, "0.00001"}, {[]byte{0x0c}, -3, "12000"}, {[]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0, "2361183241434822606847"},
	} {
		got, err := scaled(c.digits, c.scale)
		if err != nil || string(got) != c.want {
			t.Errorf("%x with scale %d is %s (%v), want %s", c.digits, c.scale, got, err, c.want)
		}
	}
	for _, bad := range []int{scaleMax + 1, -scaleMax - 1} {
		if got, err := scaled([]byte{1}, bad); err == nil {
			t.Errorf("scale %d is taken: %d digits", bad, len(got))
		}
	}
}

func TestTextsAndCloudEvents(t *testing.T) {
	texts := newReading(t, Options{Format: "string"})
	for _, c := range []struct{ key, value, want string }{
		{"k", "a \"text\"", `+ k key="k" value="a \"text\""`}, {"k", "", `+ k key="k" value=""`}, {"k", "null", "- k"}, {"k", "\xff", "decode_error k"}, {"null", "x", "null_key"},
	} {
		if got := texts.read(t, record(c.key, c.value)); got != c.want {
			t.Errorf("%q = %q says %s, want %s", c.key, c.value, got, c.want)
		}
	}
	events := newReading(t, Options{Format: "cloudevents", Schema: columns(t, "n int?")})
	structured := `{"specversion":"1.0","id":"e1","source":"/s","type":"made","subject":"x","time":"2023-11-14T22:13:20Z","datacontenttype":"application/json","data":{"n":7}}`
	head := []string{"ce_specversion", "1.0", "ce_id", "e2", "ce_source", "/s", "ce_type", "made", "content-type", "application/json"}
	for _, c := range []struct {
		name string
		rec  *kgo.Record
		want string
	}{
		{"structured", record("k", structured), `+ k key="k" ce_id="e1" ce_source="/s" ce_type="made" ce_subject="x" ce_time="2023-11-14T22:13:20Z" n=7`},
		{"binary", record("k", `{"n":8}`, head...), `+ k key="k" ce_id="e2" ce_source="/s" ce_type="made" ce_subject=null ce_time=null n=8`},
		{"without data", record("k", `{"specversion":"1.0","id":"e","source":"s","type":"t"}`), `+ k key="k" ce_id="e" ce_source="s" ce_type="t" ce_subject=null ce_time=null n=null`},
		{"another version", record("k", `{"specversion":"0.3","id":"e","source":"s","type":"t"}`), "decode_error k"},
		{"no event", record("k", `{"n":1}`), "decode_error k"},
		{"no id", record("k", `{"specversion":"1.0","source":"s","type":"t"}`), "decode_error k"},
		{"data that is not JSON", record("k", `{"specversion":"1.0","id":"e","source":"s","type":"t","data_base64":"AA=="}`), "decode_error k"},
		{"a tombstone", record("k", "null"), "- k"},
	} {
		if got := events.read(t, c.rec); got != c.want {
			t.Errorf("%s: it says %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzJSONRecords holds the typed reader against encoding/json: what it reads is what that reads.
func FuzzJSONRecords(f *testing.F) {
	for _, text := range []string{`{"n":1,"s":"x"}`, `{"s":"\u00e4","n":-0}`, `{"n":1e2}`, `{"n":12,"s":null}`, `[]`, `{"n":1,"s":"a","n":2}`, "{\"n\":1,\"s\":\"\xff\"}"} {
		f.Add([]byte(text))
	}
	schema := []cdc.Column{{Name: "n", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "s", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newReading(t, Options{Schema: schema})
		got := r.read(t, &kgo.Record{Key: []byte("k"), Value: b})
		if b == nil || !strings.HasPrefix(got, "+") {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("%q is no JSON (%v) and was read as %s", b, err, got)
		}
		var n int64
		var s *string
		if err := json.Unmarshal(want["n"], &n); err != nil {
			t.Fatalf("%q has no int (%v) and was read as %s", b, err, got)
		}
		if raw, ok := want["s"]; ok {
			if err := json.Unmarshal(raw, &s); err != nil {
				t.Fatalf("%q has no text (%v) and was read as %s", b, err, got)
			}
		}
		text := "null"
		if s != nil {
			text = string(cdc.AppendJSONString(nil, *s))
		}
		if diff := cmp.Diff(fmt.Sprintf(`+ k key="k" n=%d s=%s`, n, text), got); diff != "" {
			t.Fatal(diff)
		}
	})
}
