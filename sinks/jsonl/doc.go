// Package jsonl is the sink that writes a change log: one JSON object a line, in order, the last line
// of a key being its state.
//
//	{"_op":"upsert","_key":"a.md","path":"a.md","_version":1099511627777,"_source":"7"}
//	{"_op":"delete","_key":"a.md","_version":1099511627778,"_source":"9"}
//
// Lines are on disk before Apply returns. A torn last line, which a crash can leave, is cut off when
// the file is opened. Beside the file lies `<path>.progress`: which state wrote it last, under which
// generation, up to which epoch and to what length. It fences older generations (I3) and tells a file
// that was removed or shortened from one that is merely new (I10).
//
// An epoch that comes again is left out (I3). Only a crash between the lines and the progress makes
// lines come twice, which changes no key's state.
//
// Of Freshet's packages it may import cdc and stream.
package jsonl
