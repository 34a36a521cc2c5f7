// Package arrowrow turns rows into Arrow record batches and back, for workers, which want columns. With
// accel/flight it is the only importer of Arrow.
//
// It belongs here if it says how a value of package cdc is written as Arrow, or how Arrow is read as a
// row. Files and transports do not.
//
// Of Freshet's packages it may import cdc alone.
//
// # Nouns
//
//   - [SchemaToArrow], [SchemaFromArrow]: the mapping of types, both ways.
//   - [Writer]: takes rows and gives records.
//   - [Reader]: takes records and gives rows.
//
// # Types
//
//	bool                 bool
//	int                  int64
//	float                float64
//	decimal              utf8, marked; decimal128 or decimal256 where [Options].Decimals says the precision
//	string, enum         utf8; the values of an enum in the metadata
//	bytes                binary
//	timestamp            timestamp[us, UTC]
//	date                 date32
//	uuid                 fixed_size_binary(16), marked as the extension arrow.uuid
//	json                 utf8, marked as the extension arrow.json
//	vector(n)            fixed_size_list<float32>[n]
//	vector               list<float32>, marked: its length is not known
//	[type]               list
//	{name: type}         struct
//	type?                a nullable field
//
// Marks are field metadata, so that no extension type need be registered; registered ones are read as
// well. The key is kept in the metadata of the schema.
//
// A decimal of package cdc is its text and knows no precision, and 1.5 and 1.50 are two texts. As utf8 it
// comes back byte for byte. With a declared precision it comes back as the same number with all its
// declared places; what does not fit is an error, never rounded.
//
// Beyond its own types a Reader takes what other writers commonly send: ints of every width, float32,
// the large and the dictionary-free forms of utf8, binary and list, and timestamps of other units where
// no part of a microsecond is lost. A timestamp without a time zone is refused: it names no instant.
//
// # Invariants
//
// A row that is written and read again has equal bytes (decimals of declared precision apart). An
// unchanged or referenced field is an error: Arrow has null for "no value" and nothing for "not here".
// A record is checked whole before a row is read from it, so that damaged offsets are an error and never
// a panic. A row with a fault leaves the Writer as it was.
//
// # Memory
//
// Values are copied once, from the row into the column or back; the texts and vectors of a record are
// read in place. Records are reference-counted: what [Writer.Record] returns belongs to the caller; a
// Reader holds the record that it was given until the next one, or until Release.
//
// # Concurrency
//
// A Writer and a Reader belong to one goroutine each.
package arrowrow
