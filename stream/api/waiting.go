package api

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet/freshet/stream/engine"
)

// retryAfter is when a client may ask again, in seconds, where a flow has not begun.
const retryAfter = "5"

// NewWaiting makes a server of a flow that has not begun, since what it needs does not answer: /livez, /readyz and
// /metrics say how that stands, and every other question is answered by 503 with the fault. why is called from several
// goroutines at once.
func NewWaiting(why func() (Fault, []engine.Reason), o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, closing: make(chan struct{})}
	s.keeper = newSessions(s)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		_, reasons := why()
		writeJSON(w, http.StatusServiceUnavailable, readiness{false, reasons})
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fault, _ := why()
		w.Header().Set("Retry-After", retryAfter)
		writeJSON(w, http.StatusServiceUnavailable, Envelope{Error: &fault})
	})
	s.handler = s.guard(mux)
	return s
}
