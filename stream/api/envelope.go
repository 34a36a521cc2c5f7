package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Envelope is the one form of all answers under /api/v1. With an Error, Data may be null or carry what
// is known.
type Envelope struct {
	OK    bool   `json:"ok"`
	Data  any    `json:"data"`
	Error *Fault `json:"error"`
}

// Fault is an error as users see it. Its message holds no secret.
type Fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Exit    int    `json:"-"` // exit code of a verb that is told so, in the header [ExitHeader]; 0: the code says enough
}

// ExitHeader is where an answer carries the exit code of its fault.
const ExitHeader = "Freshet-Exit"

func (f *Fault) Error() string { return f.Message }

// statusOf is the HTTP status of a code.
func statusOf(code string) int {
	switch code {
	case "not_found", "no_index":
		return http.StatusNotFound
	case "usage", "bad_value", "wrong_type", "unknown_column", "expression_syntax", "expression_type", "null_misuse", "missing_key":
		return http.StatusBadRequest
	case "data_guard":
		return http.StatusConflict
	case "too_large":
		return http.StatusRequestEntityTooLarge
	case "unauthorized":
		return http.StatusUnauthorized
	case "forbidden":
		return http.StatusForbidden
	case "wrong_method":
		return http.StatusMethodNotAllowed
	case "model_error":
		return http.StatusBadGateway
	case "timeout", "wait_timeout":
		return http.StatusGatewayTimeout
	case "disk_full", "stopping":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// answer writes data, or the fault that an error is.
func (s *Server) answer(w http.ResponseWriter, data any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, Envelope{OK: true, Data: data})
		return
	}
	f := s.fault(err)
	refuse(w, statusOf(f.Code), data, f)
}

func refuse(w http.ResponseWriter, status int, data any, f *Fault) {
	if f.Exit != 0 {
		w.Header().Set(ExitHeader, strconv.Itoa(f.Exit))
	}
	writeJSON(w, status, Envelope{Data: data, Error: f})
}

// fault makes a fault of any error.
func (s *Server) fault(err error) *Fault {
	var f *Fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return &Fault{Code: "too_large", Message: fmt.Sprintf("the body is longer than %d bytes", tooLarge.Limit), Hint: "send less at once"}
	}
	explained := s.o.Explain(err)
	return &explained
}

// writeJSON writes a value as one line. A client that has gone is nobody to tell.
func writeJSON(w http.ResponseWriter, status int, value any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		b.Reset()
		status = http.StatusInternalServerError
		b.WriteString(`{"ok":false,"data":null,"error":{"code":"internal","message":"write answer","hint":""}}` + "\n")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// bodyMax bounds what a request may send, in bytes: a question with a vector of the longest length.
const bodyMax = 1 << 20

// readJSON reads the body of a request into a value, strictly.
func readJSON(w http.ResponseWriter, r *http.Request, value any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMax))
	d.DisallowUnknownFields()
	err := d.Decode(value)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one JSON value")
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &Fault{Code: "bad_value", Message: "read the body: " + err.Error(), Hint: `send one JSON object, such as {"text": "…", "k": 5}`}
}
