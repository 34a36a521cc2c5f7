package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	words "github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// shop is a flow whose answers are written down, so that pages can be compared letter by letter. Everything that
// a row, a name or a message can hold is tried as markup.
type shop struct {
	mu      sync.Mutex
	status  engine.Status
	ready   bool
	reasons []engine.Reason
	letters []engine.DeadLetter
	done    []string // what was retried, discarded and resumed
	asked   []console.Question
	changes chan engine.ChangeEvent
	signed  bool
}

const markup = `<img src=x onerror="alert(1)">`

func newShop() *shop {
	reason, daily := "quota", 5.0
	return &shop{
		status: engine.Status{Flow: "shop", State: "running", Epoch: 1234, DeadLetters: 3, Store: engine.StoreStatus{Bytes: 5 << 20},
			Sources: map[string]engine.SourceStatus{"docs": {State: "live", ChangesTotal: 1500, Rows: 1400, Position: "0/16B3748",
				Backfill: &engine.Reading{Collection: "docs", Rows: 700, RowsPerSecond: 50, Done: 0.5, ETASeconds: 14}}},
			Steps:  map[string]engine.StepStatus{"vectors": {Rows: 3000, CallsTotal: 900, MemoHitsTotal: 100, Pending: 3, DLQ: 2}},
			Models: map[string]engine.ModelStatus{"small": {Breaker: "open", Limit: 8, Queued: 3, InputTokens: 12000, USDTotal: 0.5, USDToday: 0.2, USDPerDay: &daily, Reason: &reason, Message: "429 " + markup}},
			Sinks: map[string]engine.SinkStatus{"index": {Rows: 2900, UpsertsTotal: 3100, DeletesTotal: 200, Outbox: 4, OutboxBytes: 2048, Position: "0/16B3748",
				FreshnessMS: engine.Percentiles{P50: 38, P99: 1250}, Building: true, Successor: &engine.Successor{Rows: 1450, Of: 2900}}}},
		reasons: []engine.Reason{{Code: "model_unavailable", Message: "model small: 429 " + markup}},
		letters: []engine.DeadLetter{
			{ID: "one", Step: "vectors", Source: "docs", Key: "a.md", Code: "rejected", Message: "too long " + markup, Attempts: 2, At: "2026-03-01T12:00:00Z",
				Input: json.RawMessage(`{"text":"` + strings.ReplaceAll(markup, `"`, `\"`) + `"}`)},
			{ID: "two", Step: "vectors", Source: "docs", Key: markup, Code: "rejected", Message: "too long", Attempts: 1, At: "2026-03-01T12:00:01Z"},
			{ID: "three", Step: "docs", Source: "docs", Key: "c.md", Code: "too_large", Message: "9 GiB", Attempts: 1, At: "2026-03-01T12:00:02Z"},
		},
		changes: make(chan engine.ChangeEvent),
	}
}

func (s *shop) Status() engine.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *shop) Ready() (bool, []engine.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready, s.reasons
}

func (s *shop) Lineage(subject string) (*engine.Lineage, error) {
	source := engine.LineageNode{Kind: "source", Name: "docs", Key: "a.md", At: "2026-03-01T12:00:00Z"}
	step := engine.LineageNode{Kind: "step", Name: "vectors", Key: "a.md/1", Epoch: 7, At: "2026-03-01T12:00:01Z", Logic: "0123456789abcdef",
		Why: "changed in its source row: body"}
	sink := engine.LineageNode{Kind: "sink", Name: "index", Key: "a.md/1", Epoch: 3, At: "2026-02-01T12:00:01Z", Logic: "fedcba9876543210",
		Why: "its source row was new"}
	switch subject {
	case "docs/a.md":
		return &engine.Lineage{Subject: source, Downstream: []engine.LineageNode{step, sink}}, nil
	case "docs/first.md": // of a first read: nobody knows when it was committed
		source.Key, source.At = "first.md", ""
		return &engine.Lineage{Subject: source, Downstream: []engine.LineageNode{step}}, nil
	case "index/a.md/1":
		return &engine.Lineage{Subject: sink, Upstream: []engine.LineageNode{step, source}}, nil
	}
	return nil, &engine.NotFoundError{What: subject}
}

func (s *shop) Changes(ctx context.Context, fn func(engine.ChangeEvent, int) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case change := <-s.changes:
			if err := fn(change, 0); err != nil {
				return err
			}
		}
	}
}

func (s *shop) List() ([]engine.DeadLetter, error) { return s.letters, nil }

func (s *shop) Find(id string) (engine.DeadLetter, bool, error) {
	for _, l := range s.letters {
		if l.ID == id {
			return l, true, nil
		}
	}
	return engine.DeadLetter{}, false, nil
}

func (s *shop) Retry(_ context.Context, id string) ([]engine.DeadLetter, error) {
	return s.settle("retry ", id), nil
}

func (s *shop) Discard(_ context.Context, id string) ([]engine.DeadLetter, error) {
	return s.settle("discard ", id), nil
}

func (s *shop) settle(what, id string) []engine.DeadLetter {
	s.done = append(s.done, what+id)
	if id == "" {
		return s.letters
	}
	return s.letters[:1]
}

func (s *shop) Resume() { s.done = append(s.done, "resume") }

// questions is the shop as it searches.
type questions struct{ *shop }

func (q questions) Find(_ context.Context, asked console.Question) (*console.Answer, error) {
	q.asked = append(q.asked, asked)
	if asked.Text == "fault" {
		return nil, errors.New("where: " + markup)
	}
	text, err := json.Marshal("Invoices are sent monthly, whatever the weather. " + markup)
	if err != nil {
		return nil, err
	}
	return &console.Answer{Sink: "index", Hits: []console.Hit{{Score: .75, Row: json.RawMessage(`{"_key":"a.md/1","path":"a.md","chunk":` + string(text) + `,"pages":3,"_version":12}`)}}}, nil
}

// The shop as it keeps sessions: the token is a word, and the word of every form another.

func (s *shop) Signed(*http.Request) bool                  { return s.signed }
func (s *shop) Word(*http.Request) string                  { return "word-of-this-session" }
func (s *shop) SignOut(http.ResponseWriter, *http.Request) { s.signed = false }
func (s *shop) SignIn(_ http.ResponseWriter, _ *http.Request, token string) bool {
	s.signed = token == "the-token"
	return s.signed
}

// stream follows without the words of the protocol, which are the server's.
func stream(w http.ResponseWriter, r *http.Request, follow func(context.Context, console.Send) error) {
	_ = follow(r.Context(), func(event string, data any) error {
		text, err := json.Marshal(data)
		if err == nil {
			_, err = w.Write([]byte(event + " " + string(text) + "\n"))
		}
		return err
	})
}

// plan is the shape of the shop: one way through a step that hides the columns of its sink, and one past it.
func plan() *words.Plan {
	node := func(n words.CollectionNode) *words.CollectionNode { return &n }
	return &words.Plan{Flow: "shop",
		Sources:     []*words.SourceNode{{Name: "docs", Source: source{}, Collections: []int{0}}},
		Collections: []*words.CollectionNode{node(words.CollectionNode{Step: -1}), node(words.CollectionNode{Step: 0}), node(words.CollectionNode{Step: 1})},
		Steps:       []*words.StepNode{{Name: "vectors", Kind: "embed", From: 0, Out: 1}, {Name: "hidden", Kind: "map", From: 1, Out: 2, Hidden: true}},
		Sinks:       []*words.SinkNode{{Name: "index", Sink: sink{}, From: []int{2}}, {Name: markup, Sink: sink{}, From: []int{0}}}}
}

type (
	source struct{ words.Source }
	sink   struct{ words.Sink }
)

// pages mounts the pages of a shop.
func (s *shop) pages(o console.Options) (*console.Console, http.Handler) {
	o.Flow, o.Keeper, o.Stream, o.Logger, o.TokenAt = "shop", s, stream, slog.New(slog.DiscardHandler), "in the drawer"
	o.Explain = func(err error) console.Fault {
		var unknown *engine.NotFoundError
		if errors.As(err, &unknown) {
			return console.Fault{Status: http.StatusNotFound, Message: err.Error(), Hint: "look closer"}
		}
		return console.Fault{Status: http.StatusBadRequest, Message: err.Error()}
	}
	c := console.New(console.Flow{Health: s, Tracer: s, Changes: s, Letters: s, Search: questions{s}, Models: s, Plan: plan()}, o)
	mux := http.NewServeMux()
	c.Mount(mux)
	return c, mux
}

// visit asks for a page, or posts a form.
func visit(t *testing.T, h http.Handler, path string, form ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if len(form) > 0 {
		values := url.Values{}
		for i := 0; i+1 < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		r = httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// utc makes pages show the same time wherever tests run.
func utc(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
}
