// Package api serves a running flow over HTTP: health, metrics, status, search, lineage, dead letters,
// a stream of changes, and the pages of stream/api/console for people.
//
// It belongs here if it turns requests into questions to the engine and answers into JSON. What the
// answers mean is the engine's; which address is served, and with which token, is the program's.
//
// Of Freshet's packages it may import cdc, stream, stream/api/console, stream/engine and stream/expr.
//
// # Nouns
//
//   - Server: an http.Handler over one flow. Serve runs it on a listener until its context ends, and
//     waits for every request.
//   - Envelope: how /api/v1 answers, the same as the verbs of the command line: ok, data, error.
//   - Fault: an error as users see it: code, message, hint.
//   - Question and Answer: a search.
//
// # Invariants
//
//   - A request of method GET or HEAD changes nothing and costs nothing: no call of a model.
//   - What changes something needs the control token, from loopback too.
//   - A person shows the token once, in a form; the session that begins is a cookie which only this origin
//     sends, and forms that change something carry a word of that session. The token is in no address.
//   - On loopback a request has to name a loopback host, so that no page of the web can reach the flow
//     by a name that it lets point here; requests of other origins are refused. Anywhere else every
//     request needs the token or a session, but /livez and the form that asks for it.
//   - Every request is bounded: its body, its headers, its time. A stream of changes never makes the
//     engine wait.
//
// # Concurrency
//
// A Server is safe for concurrent use. The only goroutines that it starts are those of Serve, of a stream of
// changes and of a page's feed; all wait for them.
package api
