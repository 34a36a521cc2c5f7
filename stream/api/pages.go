package api

import (
	"context"
	"net/http"

	"github.com/freshet/freshet/stream/api/console"
)

// newConsole makes the pages for people.
func (s *Server) newConsole(keeper console.Keeper) *console.Console {
	return console.New(console.Flow{Health: s.flow.Health, Tracer: s.flow.Tracer, Changes: s.flow.Changes, Letters: s.flow.Letters,
		Search: questions{s}, Models: s.flow.Models, Plan: s.flow.Plan}, console.Options{Flow: s.o.Flow, TokenAt: s.o.TokenAt, Closed: s.o.Remote,
		Keeper: keeper, Stream: s.feed, Logger: s.o.Logger,
		Explain: func(err error) console.Fault {
			f := s.fault(err)
			return console.Fault{Status: statusOf(f.Code), Message: f.Message, Hint: f.Hint}
		}})
}

// feed streams what a page renews.
func (s *Server) feed(w http.ResponseWriter, r *http.Request, follow func(ctx context.Context, send console.Send) error) {
	s.stream(w, r, func(ctx context.Context, out *eventStream) error {
		return follow(ctx, func(event string, data any) error { return out.tell(event, data, 0) })
	})
}

// questions answers the questions of the console.
type questions struct{ server *Server }

// Find answers a question, and says which sink did.
func (q questions) Find(ctx context.Context, asked console.Question) (*console.Answer, error) {
	index, err := q.server.flow.Search.Index(asked.Sink)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	found, err := q.server.find(ctx, Question{Text: asked.Text, K: asked.K, Where: asked.Where, Sink: index.Sink})
	if err != nil {
		return nil, err
	}
	answer := &console.Answer{Sink: index.Sink}
	for _, h := range found.Hits {
		answer.Hits = append(answer.Hits, console.Hit{Score: h.Score, Collection: h.Collection, Row: h.Row})
	}
	return answer, nil
}

// graph answers with the shape of the flow.
func (s *Server) graph(w http.ResponseWriter, _ *http.Request) {
	if s.flow.Plan == nil {
		s.answer(w, nil, &Fault{Code: "not_found", Message: "the shape of this flow is not known", Hint: "ask for /api/v1/status"})
		return
	}
	s.answer(w, console.GraphOf(s.flow.Plan), nil)
}
