package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// Health tells how a flow does.
type Health interface {
	Status() engine.Status
	Ready() (bool, []engine.Reason)
}

// Tracer tells what was made of a row, and what a row was made of.
type Tracer interface {
	Lineage(subject string) (*engine.Lineage, error)
}

// Follower tells of changes until ctx ends; see [engine.Engine.Changes].
type Follower interface {
	Changes(ctx context.Context, fn func(change engine.ChangeEvent, lost int) error) error
}

// Letters are the rows that cannot be processed. An empty id means all of them.
type Letters interface {
	List() ([]engine.DeadLetter, error)
	Find(id string) (letter engine.DeadLetter, ok bool, err error)
	Retry(ctx context.Context, id string) ([]engine.DeadLetter, error)
	Discard(ctx context.Context, id string) ([]engine.DeadLetter, error)
}

// Searcher answers questions.
type Searcher interface {
	Find(ctx context.Context, q Question) (*Answer, error)
}

// Resumer tells the models that a person has dealt with what they were waiting for.
type Resumer interface{ Resume() }

// Question is a search for a text.
type Question struct {
	Text  string
	K     int    // rows wanted; 0: the default of the flow
	Where string // a CEL condition; may be empty
	Sink  string // empty: the first that can be searched
}

// Answer holds the rows found, best first.
type Answer struct {
	Sink string
	Hits []Hit
}

// Hit is a row that was found, as an object of its columns in order, with _key.
type Hit struct {
	Score      float32
	Collection string // where the sink takes several
	Row        json.RawMessage
}

// Fault is an error as users see it.
type Fault struct {
	Status  int // of HTTP
	Message string
	Hint    string
}

// Flow is what the pages show. All of it is safe for concurrent use.
type Flow struct {
	Health  Health
	Tracer  Tracer
	Changes Follower
	Letters Letters
	Search  Searcher
	Models  Resumer
	Plan    *stream.Plan // nil: no graph is drawn
}

// Keeper knows who has shown the flow's token. The console asks it before anything is changed; that a request
// comes from this origin is ensured before it gets here.
type Keeper interface {
	// Signed reports whether a request comes from somebody who has shown the token.
	Signed(r *http.Request) bool
	// Word is what every form of the request's session carries, so that no other page can post it.
	Word(r *http.Request) string
	// SignIn begins a session for whoever shows the token, and reports whether it was right.
	SignIn(w http.ResponseWriter, r *http.Request, token string) bool
	// SignOut ends the session.
	SignOut(w http.ResponseWriter, r *http.Request)
}

// Send sends an event of a feed: its name and its data, which becomes JSON.
type Send func(event string, data any) error

// Options say how the pages are served.
type Options struct {
	// Flow is the flow's name.
	Flow string
	// TokenAt says where a person finds the flow's token, in words.
	TokenAt string
	// Closed says that nothing is shown to who is not signed in.
	Closed bool
	// Keeper knows who is signed in.
	Keeper Keeper
	// Stream answers a request with server-sent events until its reader has gone or the flow ends.
	Stream func(w http.ResponseWriter, r *http.Request, follow func(ctx context.Context, send Send) error)
	// Explain makes a fault of an error of the flow.
	Explain func(error) Fault
	// Logger hears of pages that cannot be shown.
	Logger *slog.Logger
}

// Console is the pages of one flow.
type Console struct {
	flow     Flow
	o        Options
	graph    Graph
	pages    map[string]*template.Template
	instance string // of this run: a page of an earlier one loads itself again
	watch    Watch
	recent   recent
	feeds    gate

	looking sync.Mutex // one at a time asks the flow for a sample
}

// New makes the pages; nothing is asked of the flow yet.
func New(flow Flow, o Options) *Console {
	c := &Console{flow: flow, o: o, pages: parsePages(), instance: rand.Text()[:12]}
	if flow.Plan != nil {
		c.graph = GraphOf(flow.Plan)
	}
	return c
}

// Mount puts the pages on a mux.
func (c *Console) Mount(mux *http.ServeMux) {
	mux.Handle("GET /assets/", http.FileServerFS(assetFiles))
	mux.HandleFunc("GET /{$}", c.freshness)
	mux.HandleFunc("GET /flow", c.drawing)
	mux.HandleFunc("GET /search", c.search)
	mux.HandleFunc("POST /search", c.search)
	mux.HandleFunc("GET /lineage", c.lineage)
	mux.HandleFunc("GET /letters", c.letters)
	mux.HandleFunc("GET /letters/{id}", c.letter)
	mux.HandleFunc("POST /letters/retry", c.permitted(c.retry))
	mux.HandleFunc("POST /letters/discard", c.permitted(c.discard))
	mux.HandleFunc("GET /models", c.models)
	mux.HandleFunc("POST /models/resume", c.permitted(c.resume))
	mux.HandleFunc("GET /login", c.login)
	mux.HandleFunc("POST /login", c.signIn)
	mux.HandleFunc("POST /logout", c.signOut)
	mux.HandleFunc("GET /feed", c.feed)
}

// Run keeps the history of the last minutes, from which pages take rates, until ctx ends. Without it rates are
// known from the second look on.
func (c *Console) Run(ctx context.Context) error {
	timer := time.NewTicker(sampleBeat)
	defer timer.Stop()
	for {
		c.look()
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// look asks the flow how it does, unless somebody has just asked.
func (c *Console) look() {
	c.looking.Lock()
	defer c.looking.Unlock()
	now := time.Now()
	if now.Sub(c.watch.Newest().At) < feedBeat {
		return
	}
	s := Sample{At: now, Status: c.flow.Health.Status()}
	s.Ready, s.Reasons = c.flow.Health.Ready()
	c.watch.See(s)
}

// figures are those of now.
func (c *Console) figures() Figures {
	c.look()
	return FiguresOf(&c.watch)
}
