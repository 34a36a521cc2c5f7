package api

import (
	"context"
	"net/http"

	"github.com/freshet/freshet/stream/engine"
)

func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readiness is the body of /readyz.
type readiness struct {
	Ready   bool            `json:"ready"`
	Reasons []engine.Reason `json:"reasons"`
}

func tellReadiness(w http.ResponseWriter, ask func() (bool, []engine.Reason)) {
	ready, reasons := ask()
	if reasons == nil {
		reasons = []engine.Reason{}
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, readiness{ready, reasons})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, s.flow.Health.Status(), nil)
}

func (s *Server) lineage(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("key")
	if key == "" {
		s.answer(w, nil, &Fault{Code: "usage", Message: "lineage of what?", Hint: "ask for ?key=<source>/<key> or ?key=<sink>/<_key>"})
		return
	}
	found, err := s.flow.Tracer.Lineage(key)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	s.answer(w, found, nil)
}

// Items are dead letters as the verbs show them.
type Items struct {
	Items []engine.DeadLetter `json:"items"`
}

func (s *Server) letters(w http.ResponseWriter, _ *http.Request) {
	letters, err := s.flow.Letters.List()
	s.answer(w, Items{letters}, err)
}

func (s *Server) letter(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	letter, ok, err := s.flow.Letters.Find(id)
	if err == nil && !ok {
		err = unknownLetter(id)
	}
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	s.answer(w, letter, nil)
}

func unknownLetter(id string) error {
	return &Fault{Code: "not_found", Message: "no dead letter has the id " + id, Hint: "`freshet dlq ls <flow>` lists them"}
}

// Choice names one dead letter, or all of them.
type Choice struct {
	ID  string `json:"id,omitempty"`
	All bool   `json:"all,omitempty"`
}

func (s *Server) retry(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return s.flow.Letters.Retry(ctx, id)
}

func (s *Server) discard(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return s.flow.Letters.Discard(ctx, id)
}

// mutation retries or discards dead letters.
func (s *Server) mutation(apply func(ctx context.Context, id string) ([]engine.DeadLetter, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.authorized(w, r) {
			return
		}
		var c Choice
		if err := readJSON(w, r, &c); err != nil {
			s.answer(w, nil, err)
			return
		}
		if (c.ID == "") != c.All {
			s.answer(w, nil, &Fault{Code: "usage", Message: "name the id of one dead letter, or all of them", Hint: `send {"id": "…"} or {"all": true}`})
			return
		}
		letters, err := apply(r.Context(), c.ID)
		if err == nil && c.ID != "" && len(letters) == 0 {
			err = unknownLetter(c.ID)
		}
		if err != nil {
			s.answer(w, nil, err)
			return
		}
		s.answer(w, Items{letters}, nil)
	}
}

// unknown answers what no route takes; the mux answers known paths with a wrong method by itself.
// unknown answers what no route takes: a path that is not there, or one that is asked in another way.
func (s *Server) unknown(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
			if _, pattern := mux.Handler(other); method == r.Method || pattern == anyAPI {
				continue
			}
			w.Header().Set("Allow", method)
			s.answer(w, nil, &Fault{Code: "wrong_method", Message: r.URL.Path + " does not take " + r.Method, Hint: "ask by " + method})
			return
		}
		s.answer(w, nil, &Fault{Code: "not_found", Message: "there is no " + r.Method + " " + r.URL.Path,
			Hint: "ask for /api/v1/status, search (POST), plan, lineage, dlq, events, tap or wait"})
	}
}
