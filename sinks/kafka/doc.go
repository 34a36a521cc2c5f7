// Package kafka is the sink that writes a topic: the newest record of a key is its row, a null value (or an
// envelope) its end.
//
//	key      the row's key as text
//	value    {"_key":"7","id":7,"title":"x","_version":1099511627777,"_source":"orders/3/120"}
//	headers  freshet.flow, freshet.version, freshet.source
//
// Of Freshet's packages it may import cdc, internal/broker, internal/idle and stream.
//
// # Nouns
//
//   - [Sink]: one topic, or one for each collection; [Options] says how they are reached and written.
//   - mark: what the target says of itself: which state wrote it last, under which generation, up to which
//     epoch, and which topics these were. It is a record of a compacted topic of its own beside the first
//     topic, `<topic>-freshet-progress`, for offsets of groups expire.
//   - producer: a client under the target's transactional id. It is thrown away after every fault, and made
//     anew only by who still owns the target.
//
// # Invariants
//
//   - A range of epochs is one transaction, with the mark in it (I3, I8): a reader that sees committed
//     records sees, of each partition, whole epochs.
//     Where the flow does without transactions the mark follows the records: they are there at least once, and
//     the newest record of a key is its newest version all the same.
//   - What the mark holds is not written again (I3): after a fault whose outcome is not known the mark is read
//     before anything is sent.
//   - A newer opening fences the older twice over (I3): by the transactional id, and by the generation in the
//     mark, which an older producer reads before it takes the id back. Without transactions it is the generation alone,
//     looked at before every range.
//   - A topic that was removed, made again, or cut behind our back is lost (I10), and written anew.
//
// # Concurrency
//
// Apply belongs to one goroutine. The client's goroutines end with the writer.
package kafka
