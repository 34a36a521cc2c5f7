// Package console is the page for people over a running flow: how fresh its sinks are, the flow as a graph,
// search, lineage, dead letters and models.
//
// It belongs here if it turns what a flow says of itself into something to look at, or a click into a question
// that the flow answers already. What the answers mean is the engine's; who may ask is decided by the server
// that mounts the pages (see stream/api), which also proves who is signed in.
//
// Of Freshet's packages it may import cdc, stream and stream/engine.
//
// # Nouns
//
//   - Console: the pages of one flow. Mount puts them on a mux, Run keeps their history.
//   - Graph: the shape of a flow, and where it stands on paper: in layers, chosen so that few lines cross.
//   - Watch: what the last minutes were like: rates, times left, who moves, who stands still and why.
//   - Figures: every number and word that changes, under a name. Pages are drawn from them, and the feed sends
//     those that differ from what its reader has, so that a page and its updates cannot say two things.
//   - Session: a person who has shown the flow's token; see [Keeper].
//
// # Invariants
//
//   - Every page works without JavaScript, by loading it again; with it, figures change in place.
//   - A page refers to nothing outside of its server, and says so in its Content-Security-Policy.
//   - A request of method GET changes nothing and costs nothing. What changes something is posted by a session
//     that shows the word of its form, from this origin; a discard is confirmed.
//   - Nothing of a row, a message or a name is markup.
//   - A feed holds no queue: at most four times a second it sends what differs, however much has happened, and
//     it ends with the flow. There are never more than [feedsMax].
//
// # Concurrency
//
// A Console is safe for concurrent use. It starts goroutines only within a feed, which waits for them. Run
// blocks until its context ends.
package console
