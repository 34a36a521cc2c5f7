package api

import (
	"net/http"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// retryAfter is when a client may ask again, in seconds, where a flow has not begun.
const retryAfter = "5"

// NewWaiting makes a server of a flow that has not begun, since what it needs does not answer: /livez, /readyz and
// /metrics say how that stands, and every other question is answered by 503 with the fault, a person's as a page. why is called
// from several goroutines at once.
func NewWaiting(why func() (Fault, []engine.Reason), o Options) *Server {
	s := newServer(Flow{}, o)
	mux := s.probes(func() (bool, []engine.Reason) {
		_, reasons := why()
		return false, reasons
	})
	page := console.Waiting(console.Options{Flow: o.Flow, Closed: o.Remote, Keeper: s.keeper, Logger: s.o.Logger}, func() console.Fault {
		fault, _ := why()
		return console.Fault{Message: fault.Message, Hint: fault.Hint}
	})
	mux.Handle("GET /assets/", page)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		if visits(r) || public(r) {
			page.ServeHTTP(w, r)
			return
		}
		fault, _ := why()
		refuse(w, http.StatusServiceUnavailable, nil, &fault)
	})
	s.handler = s.guard(mux)
	return s
}
