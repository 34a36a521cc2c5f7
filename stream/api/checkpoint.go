package api

import (
	"errors"
	"net/http"
	"path/filepath"
	"time"
)

// Keeper copies the state of the flow to a folder that is not there yet, and verifies the copy.
type Keeper interface {
	Checkpoint(dir string) (*Copy, error)
}

// Copy is a checkpoint.
type Copy struct {
	Dir   string `json:"dir"`             // an absolute path on the machine of the flow
	Epoch uint64 `json:"epoch,omitempty"` // what it holds at least
}

// checkpoint copies the state while the flow goes on.
func (s *Server) checkpoint(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	var to Copy
	if err := readJSON(w, r, &to); err != nil {
		s.answer(w, nil, err)
		return
	}
	if !filepath.IsAbs(to.Dir) {
		s.answer(w, nil, &Fault{Code: "usage", Message: "copy the state to where?", Hint: `send {"dir": "/an/absolute/path"}`})
		return
	}
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
		s.answer(w, nil, err)
		return
	}
	made, err := s.flow.Keeper.Checkpoint(to.Dir)
	s.answer(w, made, err)
}
