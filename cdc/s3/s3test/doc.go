// Package s3test is a bucket of S3 with a queue of SQS in memory, spoken to over HTTP as the real ones are, for tests
// and for the example.
//
// It belongs here if a reader of buckets may ask it of a server. Signatures are not checked and nothing is durable.
//
// It imports none of Freshet's packages.
//
// # Nouns
//
//   - [Bucket]: objects under keys, served at /<name>; it refuses, breaks off and counts as it is told.
//   - [Queue]: messages that are hidden while somebody has them; it shows a message again when its time is over.
//   - [Server]: both behind one address.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
package s3test
