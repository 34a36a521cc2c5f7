package api

import "net/http"

// pause has the flow take nothing in from its sources.
func (s *Server) pause(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	s.answer(w, struct{}{}, s.flow.Intake.Pause(r.Context()))
}

// resume ends a pause, and tells the models that a person has dealt with what they were waiting for.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	if err := s.flow.Intake.Unpause(r.Context()); err != nil {
		s.answer(w, nil, err)
		return
	}
	s.flow.Models.Resume()
	s.answer(w, struct{}{}, nil)
}

// Reread names the source of a backfill.
type Reread struct {
	Source string `json:"source"`
}

// backfill has the flow read a source again. The flow begins anew for it, so that it may not answer for a moment.
func (s *Server) backfill(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	var asked Reread
	if err := readJSON(w, r, &asked); err != nil {
		s.answer(w, nil, err)
		return
	}
	s.answer(w, asked, s.flow.Intake.Backfill(r.Context(), asked.Source))
}
