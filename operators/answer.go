package operators

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// schemaOf is the JSON schema of an object with these fields, all required and no others: what a server
// that keeps to schemas answers.
func schemaOf(fields []cdc.Column) (json.RawMessage, error) {
	properties := []byte{'{'}
	var required []string
	for i, f := range fields {
		if i > 0 {
			properties = append(properties, ',')
		}
		schema, err := json.Marshal(typeSchema(f.Type))
		if err != nil {
			return nil, err
		}
		properties = append(cdc.AppendJSONString(properties, f.Name), ':')
		properties = append(properties, schema...)
		required = append(required, f.Name)
	}
	return json.Marshal(map[string]any{"type": "object", "additionalProperties": false, "required": required,
		"properties": json.RawMessage(append(properties, '}'))})
}

// typeSchema is the JSON schema of a type that a field may have.
func typeSchema(t cdc.Type) map[string]any {
	s := map[string]any{}
	switch t.Kind {
	case cdc.Int64:
		s["type"] = "integer"
	case cdc.Float64:
		s["type"] = "number"
	case cdc.Bool:
		s["type"] = "boolean"
	case cdc.Date:
		s["type"], s["format"] = "string", "date"
	case cdc.Timestamp:
		s["type"], s["format"] = "string", "date-time"
	case cdc.List:
		s["type"], s["items"] = "array", typeSchema(*t.Elem)
	default:
		s["type"] = "string"
		if len(t.Enum) > 0 {
			s["enum"] = t.Enum
		}
	}
	if !t.Nullable {
		return s
	}
	if len(t.Enum) > 0 {
		return map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
	}
	s["type"] = []any{s["type"], "null"}
	return s
}

// askable reports whether a model can be asked for a value of the type.
func askable(t cdc.Type) bool {
	switch t.Kind {
	case cdc.String, cdc.Int64, cdc.Float64, cdc.Bool, cdc.Date, cdc.Timestamp:
		return true
	case cdc.List:
		return t.Elem.Kind != cdc.List && askable(*t.Elem)
	}
	return false
}

// readAnswer makes an object of just these fields of what a model answered, or says what is wrong with it in
// words for the model. It is lenient where nothing is lost: thoughts before the object, a fence or a sentence around
// it, a comma too many, fields that nobody asked for.
func readAnswer(fields []cdc.Column, answer string) (object []byte, complaint string) {
	given, ok := lenientObject(answer)
	if !ok {
		return nil, "The answer is not a JSON object. Answer with the object alone."
	}
	var wrong []string
	object = []byte{'{'}
	for i, f := range fields {
		value := given[f.Name]
		if value == nil {
			value = json.RawMessage("null")
		}
		if value[0] == 'n' && !f.Type.Nullable {
			wrong = append(wrong, fmt.Sprintf("%q is missing", f.Name))
			continue
		}
		if f.Type.Kind == cdc.Int64 {
			value = whole(value)
		}
		one := cdc.AppendJSONString([]byte{'{'}, f.Name)
		one = append(append(append(one, ':'), value...), '}')
		row, err := cdc.RowFromJSON(&cdc.Schema{Columns: fields[i : i+1]}, one)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%q does not hold a value of type %s: %s", f.Name, f.Type, value))
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(cdc.AppendJSONString(object, f.Name), ':')
		object = cdc.AppendJSON(object, &f.Type, row.At(0))
	}
	if len(wrong) > 0 {
		return nil, "The answer does not fit the schema: " + strings.Join(wrong, "; ") + ". Answer again, with the whole object."
	}
	return append(object, '}'), ""
}

// whole writes a number such as 3.0, which JSON takes for an integer as well, as one.
func whole(number json.RawMessage) json.RawMessage {
	digits, fraction, ok := bytes.Cut(number, []byte{'.'})
	if !ok || len(bytes.Trim(fraction, "0")) > 0 {
		return number
	}
	return digits
}

// lenientObject finds the object in an answer.
func lenientObject(answer string) (map[string]json.RawMessage, bool) {
	text := []byte(withoutThoughts(answer))
	for from := bytes.IndexByte(text, '{'); from >= 0; {
		end := objectEnd(text[from:])
		if end < 0 {
			return nil, false
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(withoutLooseCommas(text[from:from+end]), &object) == nil {
			return object, true
		}
		next := bytes.IndexByte(text[from+1:], '{')
		if next < 0 {
			return nil, false
		}
		from += 1 + next
	}
	return nil, false
}

// withoutThoughts drops what a reasoning model thought aloud before its answer. Servers part the two only where they are
// told how the model marks its thoughts (--reasoning-parser of vLLM, think of Ollama); else the thoughts stand in the answer,
// with drafts of the object in them. Some templates open the thoughts in the prompt, so that only their end is there.
func withoutThoughts(answer string) string {
	for _, mark := range []string{"think>", "thinking>"} {
		thoughts, rest, ended := strings.Cut(answer, "</"+mark)
		begun := strings.TrimSpace(thoughts)
		switch {
		case ended && !strings.HasPrefix(begun, "{") && !strings.HasPrefix(begun, "```"): // else the mark is in a text of the object
			return rest
		case !ended && strings.HasPrefix(begun, "<"+mark): // they were never ended: what is in them is no answer
			return ""
		}
	}
	return answer
}

// objectEnd is where the object that text begins with ends; -1 where it does not.
func objectEnd(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// withoutLooseCommas drops commas before the end of an object or list.
func withoutLooseCommas(text []byte) []byte {
	out := make([]byte, 0, len(text))
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\' && i+1 < len(text):
			out = append(out, c, text[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && c == ',':
			if rest := bytes.TrimLeft(text[i+1:], " \t\r\n"); len(rest) > 0 && slices.Contains([]byte("}]"), rest[0]) {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}
