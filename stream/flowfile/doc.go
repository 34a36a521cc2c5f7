// Package flowfile reads flow files: YAML in, a [stream.Flow] out, and on the way diagnostics that
// name file, line and column, what was expected, and the fix.
//
// It knows no connector. What a flow file may name as source, operator, sink or model is a
// [Registry] that the caller fills: a kind is a config struct and a function that builds from it. The
// struct's tags are at once what is decoded, what is checked, the reference page ([Reference]) and
// the schema for editors ([Schema]).
//
// Of Freshet's packages it may import cdc, stream and stream/expr.
//
// # Nouns
//
//   - [Registry]: the kinds that a file may name, each with its config struct.
//   - [File]: a file that was read: its flow, its tests, and where everything stands in it.
//   - [Diagnostic]: one fault at one place, with a code, a snippet and a hint. [Diagnostics] are all
//     that could be told at once, in the order of the file.
//
// # Tags of a config struct
//
//	yaml:"name"           the key
//	yaml:"name,single"    of a list: one value may stand for a list of one
//	yaml:",scalar"        the field that a scalar in place of the mapping sets (may also have a name)
//	yaml:",list"          the field that a list in place of the mapping sets
//	yaml:",rest"          the field, an ordered map, that takes every key which no other field has
//	yaml:",inline"        the fields of a nested struct, as if they stood here
//	default:"20s"         the value where the key is absent
//	required:"true"       the key must be there
//	enum:"a,b"            the only values of a text
//	min:"1" max:"9"       bounds of a number, duration or size, inclusive
//	unit:"bytes"          an integer that is written as a size, such as 256MiB
//	secret:"true"         never shown, wherever it stands
//	env:"NAME"            taken from the environment where the key is absent and NAME is set
//	doc:"..."             a sentence for the reference
//
// Texts, booleans, numbers, time.Duration, cdc.Type, anything with UnmarshalText, nested structs,
// pointers (nil where absent), lists and maps decode. An ordered map is a slice of structs with the
// fields `yaml:",key"` and `yaml:",value"`. A config with a method Validate() error is asked after
// decoding; a *stream.Problem that it returns points with Field at the key.
//
// # Invariants
//
//   - The value of a ${NAME} reaches the built flow and nothing else: no message, hint or snippet.
//   - Every diagnostic has a code, a hint and, once the file could be read, a line and a column.
//   - Reading touches no network; only [File.Plan] reaches sources.
//
// # Concurrency
//
// Load and Parse are safe to call concurrently; a File belongs to one goroutine at a time.
package flowfile
