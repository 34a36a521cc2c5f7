package operators

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
)

func fieldsOf(t testing.TB, types map[string]string, order ...string) []cdc.Column {
	t.Helper()
	var fields []cdc.Column
	for _, name := range order {
		parsed, err := cdc.ParseType(types[name])
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, cdc.Column{Name: name, Type: parsed})
	}
	return fields
}

func TestTheSchemaOfAnOutputIsStrict(t *testing.T) {
	fields := fieldsOf(t, map[string]string{"s": "string", "i": "int?", "f": "float", "b": "bool", "d": "date?", "t": "timestamp",
		"e": "enum(a, b)", "n": "enum(a, b)?", "l": "[int]"}, "s", "i", "f", "b", "d", "t", "e", "n", "l")
	got, err := schemaOf(fields)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","additionalProperties":false,"required":["s","i","f","b","d","t","e","n","l"],"properties":{
		"s":{"type":"string"},"i":{"type":["integer","null"]},"f":{"type":"number"},"b":{"type":"boolean"},
		"d":{"type":["string","null"],"format":"date"},"t":{"type":"string","format":"date-time"},
		"e":{"type":"string","enum":["a","b"]},"n":{"anyOf":[{"type":"string","enum":["a","b"]},{"type":"null"}]},
		"l":{"type":"array","items":{"type":"integer"}}}}`
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
		t.Fatalf("%s is no JSON", got)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestAWholeNumberIsAnIntegerHoweverItIsWritten(t *testing.T) {
	fields := fieldsOf(t, map[string]string{"a": "int"}, "a")
	for value, want := range map[string]string{"3.0": `{"a":3}`, "-12.000": `{"a":-12}`, "3": `{"a":3}`, "3.5": "", "3.05": "", "10.": ""} {
		object, complaint := readAnswer(fields, `{"a":`+value+`}`)
		if string(object) != want || (complaint == "") != (want != "") {
			t.Errorf("%s: %s, %q; want %s", value, object, complaint, want)
		}
	}
}

// A reasoning model's thoughts hold drafts of the object, which are not its answer.
func TestThoughtsBeforeAnAnswerAreNoPartOfIt(t *testing.T) {
	fields := fieldsOf(t, map[string]string{"a": "string"}, "a")
	for answer, want := range map[string]string{
		"<think>\nPerhaps {\"a\": \"draft\"}? It's 5\" long.\n</think>\n\n{\"a\": \"meant\"}": `{"a":"meant"}`,
		"\n <think></think>```json\n{\"a\": \"meant\"}\n```":                                  `{"a":"meant"}`,
		"So {\"a\": \"draft\"} it is.\n</think>\n{\"a\": \"meant\"}":                          `{"a":"meant"}`, // begun in the prompt
		"<thinking>{</thinking>{\"a\": \"meant\"}":                                            `{"a":"meant"}`,
		`{"a": "between <think> and </think> lies a thought {\"a\": 1}"}`:                     `{"a":"between <think> and </think> lies a thought {\"a\": 1}"}`,
		"```json\n{\"a\": \"</think>\"}\n```":                                                 `{"a":"</think>"}`,
		`Here it is: {"a": "<think> is a mark"}`:                                              `{"a":"<think> is a mark"}`,
		"<think>Perhaps {\"a\": \"draft\"}":                                                   "",
		"<think>{\"a\": \"draft\"}</think> I do not know":                                     "",
	} {
		object, complaint := readAnswer(fields, answer)
		if string(object) != want || (complaint == "") != (want != "") {
			t.Errorf("%s: %s, %q; want %s", answer, object, complaint, want)
		}
	}
}

// FuzzReadAnswer: whatever a model says, the result is an object of just the fields, each of its type, and it
// reads as itself; or there is a complaint.
func FuzzReadAnswer(f *testing.F) {
	f.Add(`{"a":"x","b":1}`)
	f.Add("```json\n{\"a\":\"x\",\"b\":2,}\n```")
	f.Add(`{"a":"}\"{","b":null,"c":[1,2,{"d":"]"}]} and more`)
	f.Add(`{{"a":1}{"a":"y","b":3}`)
	f.Add(`{"a":"\u00e9\\","b":1e2}`)
	fields := fieldsOf(f, map[string]string{"a": "string", "b": "int?"}, "a", "b")
	f.Fuzz(func(t *testing.T, answer string) {
		object, complaint := readAnswer(fields, answer)
		if complaint != "" {
			if object != nil {
				t.Fatal("a complaint beside a result")
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(object, &members); err != nil || len(members) != 2 {
			t.Fatalf("%q gave %s: %v", answer, object, err)
		}
		again, complaint := readAnswer(fields, string(object))
		if complaint != "" || string(again) != string(object) {
			t.Fatalf("%s reads as %s, %s", object, again, complaint)
		}
	})
}
