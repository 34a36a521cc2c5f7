package api

import (
	"net/http"

	"github.com/freshet/freshet/stream/engine"
)

// retryAfter is when a client may ask again, in seconds, where a flow has not begun.
const retryAfter = "5"

// NewWaiting makes a server of a flow that has not begun, since what it needs does not answer: /livez, /readyz and
// /metrics say how that stands, and every other question is answered by 503 with the fault. why is called from several
// goroutines at once.
func NewWaiting(why func() (Fault, []engine.Reason), o Options) *Server {
	s := newServer(Flow{}, o)
	mux := s.probes(func() (bool, []engine.Reason) {
		_, reasons := why()
		return false, reasons
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fault, _ := why()
		w.Header().Set("Retry-After", retryAfter)
		refuse(w, http.StatusServiceUnavailable, nil, &fault)
	})
	s.handler = s.guard(mux)
	return s
}
