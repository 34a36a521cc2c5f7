package http

import (
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"
)

// envelope is what every answer is.
type envelope struct {
	OK    bool    `json:"ok"`
	Data  any     `json:"data"`
	Error *remark `json:"error,omitempty"`
}

// remark is the error of an envelope.
type remark struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Element int    `json:"element,omitempty"` // which one cannot be read, counted from 1; of lines the line
}

// answer says what became of a push.
type answer struct {
	Changes  int    `json:"changes"`
	Position string `json:"position,omitempty"` // what to wait for: freshet status --wait SOURCE=POSITION
	Repeated bool   `json:"repeated,omitempty"` // its producer had sent it before
}

// fault is a request that is turned down.
type fault struct {
	status        int
	code          string
	message, hint string
	element       int
	retry         bool // the same request may do better
}

// retryAfter is how many seconds whoever is turned away shall wait.
const retryAfter = 1

func busy() *fault {
	return &fault{status: nethttp.StatusTooManyRequests, code: "busy", message: "the flow takes nothing just now", hint: "push again a little later", retry: true}
}

func stopping() *fault {
	return &fault{status: nethttp.StatusServiceUnavailable, code: "stopping", message: "the flow is stopping; whether the push was taken is not known", hint: "push again: rows are replaced by key", retry: true}
}

func late() *fault {
	return &fault{status: nethttp.StatusServiceUnavailable, code: "not_durable", message: "the push is not durable yet; whether it will be is not known", hint: "push again: rows are replaced by key", retry: true}
}

func (d *desk) tooLarge() *fault {
	return &fault{status: nethttp.StatusRequestEntityTooLarge, code: "too_large", message: fmt.Sprintf("the body has more than %d bytes", d.source.o.MaxBody), hint: "push fewer changes at a time, or raise max_body"}
}

// unreadable is a body of which nothing was taken.
func unreadable(err error) *fault {
	f := &fault{status: nethttp.StatusBadRequest, code: "bad_row", message: err.Error() + "; nothing of the push was taken", hint: "correct the element, and push all of them again"}
	var at *elementError
	switch {
	case errors.As(err, &at):
		f.element = at.element
	case errors.Is(err, errTooMany):
		f.status, f.code, f.hint = nethttp.StatusRequestEntityTooLarge, "too_large", "push fewer changes at a time"
	default:
		f.code, f.hint = "bad_body", "send one object, an array of objects, or one object a line as application/x-ndjson"
	}
	return f
}

// refuse turns a request down and counts it.
func (d *desk) refuse(w nethttp.ResponseWriter, f *fault) {
	switch {
	case f.retry:
		d.source.facts.turned.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	default:
		d.source.facts.refused.Add(1)
	}
	if f.status == nethttp.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="freshet"`)
	}
	write(w, f.status, envelope{Error: &remark{Code: f.code, Message: f.message, Hint: f.hint, Element: f.element}})
}

// tell says how the source stands.
func (d *desk) tell(w nethttp.ResponseWriter) {
	s := d.source
	s.mu.Lock()
	position := s.Describe(numberOf(s.durable))
	s.mu.Unlock()
	p := s.Report().Pushes
	write(w, nethttp.StatusOK, envelope{OK: true, Data: map[string]any{"position": position, "requests_total": p.Requests, "taken_total": p.Taken,
		"repeated_total": p.Repeated, "refused_total": p.Refused, "turned_away_total": p.TurnedAway, "columns": s.schema.String()}})
}

func write(w nethttp.ResponseWriter, status int, e envelope) {
	body, err := json.Marshal(e)
	if err != nil {
		status, body = nethttp.StatusInternalServerError, []byte(`{"ok":false}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever has gone away hears nothing
}
