package console

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/stream/engine"
)

// Bounds of feeds: how often one sends at most, and how many there are at most.
const (
	feedBeat = 250 * time.Millisecond
	feedsMax = 64
)

// gate counts what is open.
type gate struct{ open atomic.Int64 }

func (g *gate) enter() bool {
	if g.open.Add(1) > feedsMax {
		g.open.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.open.Add(-1) }

// patch is what a page has to renew, each under its name.
type patch struct {
	Instance string            `json:"instance,omitempty"` // in the first one
	Text     map[string]string `json:"text,omitempty"`
	Mood     map[string]string `json:"mood,omitempty"`
	Line     map[string]string `json:"line,omitempty"` // points of a polyline
	Part     map[string]string `json:"part,omitempty"` // markup
}

func newPatch() *patch {
	return &patch{Text: map[string]string{}, Mood: map[string]string{}, Line: map[string]string{}, Part: map[string]string{}}
}

// since leaves out what the reader has, and remembers the rest as what it has then. had is bounded by the names
// of the flow.
func (p *patch) since(had *patch) *patch {
	differs := newPatch()
	for _, m := range []struct{ now, had, out map[string]string }{
		{p.Text, had.Text, differs.Text}, {p.Mood, had.Mood, differs.Mood}, {p.Line, had.Line, differs.Line}, {p.Part, had.Part, differs.Part},
	} {
		for name, value := range m.now {
			if was, ok := m.had[name]; !ok || was != value {
				m.out[name], m.had[name] = value, value
			}
		}
	}
	return differs
}

func (p *patch) empty() bool { return len(p.Text)+len(p.Mood)+len(p.Line)+len(p.Part) == 0 }

// feed sends a page what changes of it. What a reader has not taken is not queued: the next patch holds it.
func (c *Console) feed(w http.ResponseWriter, r *http.Request) {
	if !c.feeds.enter() {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer c.feeds.leave()
	screen := r.URL.Query().Get("screen")
	c.o.Stream(w, r, func(ctx context.Context, send Send) error {
		g, ctx := errgroup.WithContext(ctx)
		if screen == "freshness" {
			g.Go(func() error {
				return c.flow.Changes.Changes(ctx, func(change engine.ChangeEvent, _ int) error {
					c.recent.add(time.Now(), change)
					return nil
				})
			})
		}
		g.Go(func() error { return c.renew(ctx, screen, send) })
		return g.Wait()
	})
}

func (c *Console) renew(ctx context.Context, screen string, send Send) error {
	timer := time.NewTicker(feedBeat)
	defer timer.Stop()
	had, instance := newPatch(), c.instance
	for {
		now, err := c.patch(screen)
		if err != nil {
			return err
		}
		if now = now.since(had); !now.empty() {
			now.Instance, instance = instance, ""
			if err := send("patch", now); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// patch is everything that changes of a screen.
func (c *Console) patch(screen string) (*patch, error) {
	f := c.figures()
	p := newPatch()
	p.Text, p.Mood = f.Text, f.Mood
	v := &view{Screen: screen, Figures: f}
	switch screen {
	case "freshness":
		v.Data = c.freshNow()
		for name, points := range v.Data.(freshData).Lines {
			p.Line["sink."+name] = points
		}
	case "models":
		v.Data = c.modelsNow()
	}
	for _, name := range parts(screen) {
		text, err := c.part(screen, name, v)
		if err != nil {
			return nil, err
		}
		p.Part[name] = text
	}
	return p, nil
}

// parts are the templates of a screen that are renewed as a whole.
func parts(screen string) []string {
	switch screen {
	case "freshness":
		return []string{"reasons", "tasks", "changes"}
	case "models":
		return []string{"hindrances"}
	}
	return nil
}

func (c *Console) part(screen, name string, v *view) (string, error) {
	var b bytes.Buffer
	if err := c.pages[screen].ExecuteTemplate(&b, name, v); err != nil {
		return "", fmt.Errorf("draw %s: %w", name, err)
	}
	return b.String(), nil
}

// recent holds the changes that pages were told of, newest first.
type recent struct {
	mu  sync.Mutex
	all []event
}

// event is a change as the list of changes shows it.
type event struct {
	At    time.Time
	Clock string
	engine.ChangeEvent
}

// recentMax bounds how many changes are kept and shown.
const recentMax = 20

// add keeps a change that it does not hold yet: every open page tells of it.
func (r *recent) add(at time.Time, change engine.ChangeEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.all, func(e event) bool {
		return e.Epoch == change.Epoch && e.Source == change.Source && e.Key == change.Key
	}) {
		return
	}
	if len(r.all) == recentMax {
		r.all = r.all[:recentMax-1]
	}
	r.all = slices.Insert(r.all, 0, event{At: at, Clock: at.Format("15:04:05"), ChangeEvent: change})
}

func (r *recent) list() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Subject is what the page of lineage is asked for.
func (e event) Subject() string { return e.Source + "/" + e.Key }

// Fresh is how long the change took.
func (e event) Fresh() string { return span(e.FreshMS) }

// Outcome says what the change has come to.
func (e event) Outcome() string {
	if e.Upserts == 0 && e.Deletes == 0 {
		return "nothing that the sinks hold has changed"
	}
	return Counted(int64(e.Upserts), "row", "rows") + " written, " + count(int64(e.Deletes)) + " removed, " + Counted(int64(e.Calls), "call", "calls")
}
