package kafka

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// FuzzShape compares where find sees the columns of an object with what encoding/json reads there.
func FuzzShape(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":[2],"ä":"x"}`, `{"ä":1,"a":2}`, ` { "a" : 1 , "b":2 } `, `{"a":1,"a":2}`, `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a"}`,
		`{"\u0061":1,"q\"":true}`, `{"q\"":{"a":3},"b":null}`, `{"a":1}x`, `[]`, `{"c":1,"b":2,"a":`, `{"a":}`, `{"a":1,"":2,"b":3}`, "{\"a\xff\":1}"} {
		f.Add([]byte(text))
	}
	var columns []cdc.Column
	for _, name := range []string{"a", "b", "ä", `q"`} {
		columns = append(columns, cdc.Column{Name: name, Type: cdc.Type{Kind: cdc.JSON}})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) || strings.Contains(string(b), `\u`) && !strings.Contains(string(b), `\u0061`) {
			return // encoding/json replaces lone surrogates in names
		}
		var members map[string]json.RawMessage
		want := json.Unmarshal(b, &members) == nil && members != nil
		s := scanner{b: b}
		found := make([]token, len(columns))
		err := newShape(columns).find(&s, found)
		if err == nil {
			err = s.end()
		}
		if (err == nil) != want {
			if strings.Count(string(b), "[")+strings.Count(string(b), "{") > 100 {
				return // ours bounds the depth
			}
			t.Fatalf("%q is an object: %v, but find says %v", b, want, err)
		}
		if !want {
			return
		}
		for i, c := range columns {
			got, here := string(b[found[i].start:found[i].end]), found[i].kind != kindNone
			if raw, there := members[c.Name]; here != there || here && got != string(raw) {
				t.Fatalf("%q: %q is %s, found %q", b, c.Name, raw, got)
			}
		}
	})
}
