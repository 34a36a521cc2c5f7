// Package split cuts a text into chunks of a bounded size, for embedding and for search.
// It belongs to the operators, and knows neither rows nor flows: a text goes in, substrings come out.
//
// The nouns: a [Chunk] is a piece of the text; a border is a place where the text may be cut, with a strength and a
// hash of the words around it; a [Splitter] is a checked set of [Options], ready to split.
//
// It imports none of Freshet's packages.
//
// # How a text is cut
//
// A text that fits is one chunk. One that does not fit is cut at one of its strongest borders (between paragraphs
// before between lines, between sentences before between words), and each half is cut in the same way until it
// fits. Among borders of equal strength the hash decides, not the distance from the top. Neighbours that fit
// together are then joined, from the smallest parts to the largest.
//
// A line end inside a paragraph that was wrapped at a margin counts less than the end of a sentence.
//
// So the cuts depend on what is written near them and hardly on what is written before them: an edit changes the
// chunk that it is in, now and then a neighbour, and leaves the rest of the text as it was. This is what makes an edit
// of a large document cost a few calls to a model instead of hundreds.
//
// # Invariants
//
// For every text, and every valid Options:
//   - the same text and options give the same chunks, on every platform and in every run of one [Version];
//   - a chunk is not empty, has no white space around it, and measures at most Size units. A word longer than Size
//     is cut, between grapheme clusters; a cluster longer than Size is cut between code points;
//   - text[Start:End] == Text, chunks are in the order of the text, and every code point that is not white space is in
//     a chunk. Without overlap no two chunks share a byte;
//   - with overlap a chunk begins up to Overlap units earlier, at the start of a line, sentence or word of the chunk
//     before it.
//
// # Concurrency
//
// A Splitter may be used by many goroutines at once. It starts none.
//
// # Errors
//
// Only Options can be wrong ([OptionErrors]); splitting itself cannot fail. Bytes that are not UTF-8 count as one
// code point each.
package split
