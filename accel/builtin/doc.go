// Package builtin is an embedding model that needs nothing: no server, no download, no tensor library. A text is
// cut into the word pieces of BERT; each piece has a vector, and the sum of them is the vector of the text.
//
// The vectors were fitted so that sums come close to what the sentence transformer all-MiniLM-L6-v2 says of whole
// texts (distil/README.md). What remains is the meaning of words without their order: synonyms and related words
// are near, "dog bites man" and "man bites dog" are one. It was made for English; other languages in Latin letters
// are matched by shared words and pieces, and of other scripts hardly more than single letters are known.
//
// Of Freshet's packages it may import accel alone.
//
// # Invariants
//
//   - A text has one vector, the same on every platform and in every process: the vectors of pieces and their
//     weights are integers, so that no order of sums matters, and the one step in floating point has a fixed order
//     and nothing that a compiler may fuse.
//   - A vector is finite and of length one.
//   - Whatever changes a vector changes [Revision], and with it every fingerprint. The tables of Unicode are those
//     of Go: characters that a newer Unicode adds may move then.
//
// # Concurrency
//
// An [Embedder] is safe for concurrent use and starts no goroutines.
package builtin
