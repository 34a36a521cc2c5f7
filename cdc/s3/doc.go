// Package s3 is the source of a bucket of S3, or of a server that speaks its protocol: every object below a prefix
// is a row, keyed by its key.
//
// It belongs here if it finds out what stands in a bucket, or what a notification says. What an object means is the
// business of steps.
//
// Of Freshet's packages it may import cdc, internal/blob, internal/broker and internal/idle.
//
// # Nouns
//
//   - [Source]: a bucket and a prefix; [Options] says how it is reached and who tells of changes.
//   - note: size and ETag of an object when it was put last, kept in the ledger. An object whose note still fits is
//     not fetched.
//   - pass: a comparison of a whole listing with the ledger, both in byte order of the keys, by the page.
//   - look: a question to the bucket what stands under a key now, and its content where that is news. Some run side
//     by side, never two of one key.
//   - hint: what a notification says, which is only: look at this key.
//   - parcel: the hints of one message. A message is removed when what its parcel led to is durable.
//
// # Invariants
//
//   - The bucket decides, never a notification: whether it comes twice, late, out of order or not at all, the rows
//     are what a look or a listing has found (I6). What notifications miss a pass finds.
//   - Content is read under the ETag that was looked at; where that has changed meanwhile, it is looked at again.
//   - A message is removed from its queue after the position that covers it is durable (I1). Until then it is hidden
//     from others, for as long as that takes.
//   - Only a whole listing says that an object is gone, and then the bucket is asked for each. A listing that breaks
//     deletes nothing; one that lacks most of what is known stops the run (I10). A bucket that is gone or denied is a
//     fault, never an empty one.
//   - Keys are data: no file is named after one, no notification names a server that is asked.
//   - Positions count the transactions; one object is one transaction.
//
// # Concurrency
//
// A run belongs to the goroutine that calls Run. Looks and whoever listens for notifications have goroutines of their
// own, which are gone when it returns; the contents that they hold are bounded in bytes (I9). While Put waits nothing
// new is asked, and messages stay hidden. Confirm may be called beside.
package s3
