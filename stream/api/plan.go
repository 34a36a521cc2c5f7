package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/freshet/freshet/stream/engine"
)

// PlanTime bounds a plan: it evaluates rows.
const PlanTime = 5 * time.Minute

// Draft is a flow file that may be run next.
type Draft struct {
	Text string `json:"text"`
}

// planFile answers what the running flow would do if it were started again with its flow file as it lies there now. It makes the
// flow work, so that a page of another origin may not ask for it, although it could not read the answer.
func (s *Server) planFile(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		s.answer(w, nil, &Fault{Code: "forbidden", Message: "the request comes from another origin", Hint: "ask from the flow's own page, or from a program"})
		return
	}
	s.preview(w, r, "")
}

// plan answers what the running flow would do if it were started again with another flow file.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) { // it makes the flow work, and its answer tells of what the flow file names
		return
	}
	var draft Draft
	if err := readJSON(w, r, &draft); err != nil {
		s.answer(w, nil, err)
		return
	}
	s.preview(w, r, draft.Text)
}

func (s *Server) preview(w http.ResponseWriter, r *http.Request, text string) {
	control := http.NewResponseController(w)
	ends := time.Now().Add(PlanTime + waitSpare)
	if err := errors.Join(control.SetReadDeadline(ends), control.SetWriteDeadline(ends)); err != nil {
		s.answer(w, nil, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), PlanTime)
	defer cancel()
	var found *engine.Preview
	err := s.untilClosing(ctx, func(ctx context.Context) (err error) {
		found, err = s.flow.Planner.Preview(ctx, text)
		return err
	})
	s.answer(w, found, err)
}
