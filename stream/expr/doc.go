// Package expr compiles and evaluates the expressions of flows: CEL over one variable, `row`.
//
// A [Program] is an expression checked against a schema. It knows its type, whether it can be null,
// the columns that it reads (they are what a fingerprint covers), and its canonical text, in which
// white space and the spelling of literals do not matter.
//
// Of Freshet's packages it may import cdc and stream.
//
// # Types
//
// Columns are typed as CEL has them: bool, int, double (float), string, bytes, timestamp, list. A
// decimal, a uuid and an enum read as their text, a date as the timestamp of its midnight in UTC, a
// vector as a list of double, a struct as a message, and json as a dynamic value, whose whole
// numbers are int. double(row.price) makes a number of a decimal, since arithmetic on it would have to
// round unasked; as texts two of them are not added, and none is put in order. An expression that is
// just a column has that column's own type and bytes.
//
// # Null
//
// A column that may be null can be compared with ==, != and in, and can be the value of an
// expression. For everything else it has to be guarded, which is checked when the flow is declared:
//
//	row.text != null && row.text.contains("x")
//	row.text == null || row.text.size() > 3
//	row.text != null ? row.text : row.title
//	row.?text.orValue("").contains("x")
//	has(row.text) && row.text.contains("x")
//
// # Invariants
//
//   - A program is deterministic: there is no clock, no randomness, no input besides the row.
//   - What a program does for one row is bounded ([Options.Cost]).
//   - Compile never panics and reads nothing but its arguments; its faults are *stream.Problem with
//     the byte offset in the source.
//   - The native path, which evaluates common expressions without CEL and without allocation, gives
//     what CEL gives; a differential fuzz test holds it to that.
//
// # Concurrency
//
// A [Program] is immutable and safe for concurrent use.
package expr
