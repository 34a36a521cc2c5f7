// Package blob holds what the sources of folders and buckets have in common: the row of a named run of bytes, and
// what such a source has told of each name.
//
// It belongs here if cdc/files and cdc/s3 need it alike and it knows neither directories nor servers.
//
// Of Freshet's packages it may import cdc alone.
//
// # Nouns
//
//   - [Blob]: bytes under a name, and the row that they make.
//   - [Known]: the last note put of each name: the ledger, and before it what is not durable yet.
//   - [Packer]: packs changes for the inlet into batches of whole transactions, which are numbered.
//   - [Cursor]: the known names in the byte order of their keys, by the page.
//
// # Concurrency
//
// Everything here belongs to one goroutine.
package blob
