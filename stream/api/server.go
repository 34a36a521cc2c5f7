package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// Tapper tells of the rows of a source or step until ctx ends; see [engine.Engine.Tap].
type Tapper interface {
	Tap(ctx context.Context, step string, fn func(row engine.TapRow, lost int) error) error
}

// Flow is what a Server serves. All of it is safe for concurrent use.
type Flow struct {
	Health  console.Health
	Tracer  console.Tracer
	Changes console.Follower
	Taps    Tapper
	Letters console.Letters
	Search  Searcher
	Waiter  Waiter
	Models  Resumer
	Intake  Intake
	Planner Planner
	Keeper  Keeper
	Plan    *stream.Plan // what the flow was checked to be; nil: its shape is not shown
}

// Resumer tells the models that a person has dealt with what they were waiting for.
type Resumer interface{ Resume() }

// Intake is what a person can do about what the flow takes in. Each is durable when it returns.
type Intake interface {
	// Pause has the flow take nothing in from its sources until Unpause.
	Pause(ctx context.Context) error
	Unpause(ctx context.Context) error
	// Backfill has the flow begin anew and read a source again from its start.
	Backfill(ctx context.Context, source string) error
}

// Planner says what another text of the flow file would do, and does none of it; the text "" is that of the
// flow file as it lies there now.
type Planner interface {
	Preview(ctx context.Context, text string) (*engine.Preview, error)
}

// Options say who may ask what.
type Options struct {
	// Flow is the flow's name.
	Flow string
	// Token is what requests that change something carry, as a bearer token or as the password of HTTP
	// basic authentication. A request that carries another token is refused, whatever it asks.
	Token string
	// Remote says that others than this machine can reach the server: then every request but /livez needs
	// the token, and any host may be named.
	Remote bool
	// TokenAt says in words where a person finds the token, for the form that asks for it.
	TokenAt string
	// Metrics are served under /metrics; nil: none are.
	Metrics prometheus.Gatherer
	// Explain makes a fault of an error of the flow; nil: every one is internal.
	Explain func(error) Fault
	// Logger hears of requests that break; nil discards.
	Logger *slog.Logger
	// SearchTimeout bounds a search, the model's time included; default 20 s.
	SearchTimeout time.Duration
}

// Server answers requests about one flow.
type Server struct {
	flow    Flow
	o       Options
	handler http.Handler
	keeper  *sessions
	console *console.Console
	open    sync.WaitGroup // requests that are being answered
	closing chan struct{}  // closed by Serve when it begins to stop: streams end
}

// New makes a server; it listens nowhere yet.
func New(flow Flow, o Options) *Server {
	s := newServer(flow, o)
	s.console = s.newConsole(s.keeper)
	s.handler = s.guard(s.routes())
	return s
}

func newServer(flow Flow, o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SearchTimeout == 0 {
		o.SearchTimeout = 20 * time.Second
	}
	if o.Explain == nil {
		o.Explain = func(err error) Fault { return Fault{Code: "internal", Message: err.Error()} }
	}
	s := &Server{flow: flow, o: o, closing: make(chan struct{})}
	s.keeper = newSessions(s)
	return s
}

// probes are the paths that a flow answers whether it has begun or not.
func (s *Server) probes(ready func() (bool, []engine.Reason)) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { tellReadiness(w, ready) })
	if s.o.Metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelError), Timeout: 10 * time.Second}))
	}
	return mux
}

// anyAPI is the pattern of whatever no other route below /api/ takes.
const anyAPI = "/api/"

func (s *Server) routes() http.Handler {
	mux := s.probes(s.flow.Health.Ready)
	mux.HandleFunc("GET /api/v1/status", s.status)
	mux.HandleFunc("GET /api/v1/graph", s.graph)
	mux.HandleFunc("GET /api/v1/wait", s.wait)
	mux.HandleFunc("GET /api/v1/plan", s.planFile)
	mux.HandleFunc("POST /api/v1/plan", s.plan)
	mux.HandleFunc("POST /api/v1/checkpoint", s.checkpoint)
	mux.HandleFunc("POST /api/v1/search", s.search)
	mux.HandleFunc("GET /api/v1/lineage", s.lineage)
	mux.HandleFunc("GET /api/v1/dlq", s.letters)
	mux.HandleFunc("GET /api/v1/dlq/{id}", s.letter)
	mux.HandleFunc("POST /api/v1/dlq/retry", s.mutation(s.retry))
	mux.HandleFunc("POST /api/v1/dlq/discard", s.mutation(s.discard))
	mux.HandleFunc("POST /api/v1/resume", s.resume)
	mux.HandleFunc("POST /api/v1/pause", s.pause)
	mux.HandleFunc("POST /api/v1/backfill", s.backfill)
	mux.HandleFunc("GET /api/v1/events", s.events)
	mux.HandleFunc("GET /api/v1/tap", s.tap)
	mux.HandleFunc(anyAPI, s.unknown(mux))
	s.console.Mount(mux)
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// AnswerTime is what a request may take, its answer included, unless it is one that says how long it waits, a plan, a
// copy of the state, or a stream of changes.
const AnswerTime = time.Minute

// Bounds of a connection. A stream of changes moves its own write deadline on.
const (
	headerTime = 5 * time.Second
	readTime   = 30 * time.Second
	idleTime   = 2 * time.Minute
	headerMax  = 64 << 10
	lastCalls  = 2 * time.Second // for requests that are being answered when the server stops
)

// Serve answers requests on a listener, which it closes, until ctx ends; then it lets those that are
// being answered finish for a moment, cuts the others off, and returns when the last one is over. It is
// called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	h := &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: AnswerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerMax, ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug)}
	var stopping sync.WaitGroup
	served, ended := context.WithCancel(ctx)
	stopping.Go(func() {
		<-served.Done()
		close(s.closing)
		wait, over := context.WithTimeout(base, lastCalls)
		defer over()
		if h.Shutdown(wait) != nil {
			_ = h.Close() // what is cut off here has had its time
		}
		cut()
	})
	var watched error
	if s.console != nil { // a flow that has not begun has none
		stopping.Go(func() { watched = s.console.Run(served) })
	}
	err := h.Serve(l)
	ended()
	stopping.Wait()
	s.open.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return watched
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}
