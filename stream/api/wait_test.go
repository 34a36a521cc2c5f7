package api_test

import (
	"net/http"
	"testing"

	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

// A client that waits for its own write finds it in the status that it gets.
func TestWaitAnswersWithWhatTheSinksHold(t *testing.T) {
	r := start(t, api.Options{})
	for _, c := range []struct {
		ask, code string
		status    int
	}{
		{"source=docs&position=1&timeout=10s", "", http.StatusOK},
		{"source=docs&position=999999&timeout=20ms", "wait_timeout", http.StatusGatewayTimeout},
		{"source=docs&position=1&timeout=soon", "bad_value", http.StatusBadRequest},
		{"source=docs&position=1&timeout=-1s", "bad_value", http.StatusBadRequest},
		{"source=docs", "usage", http.StatusBadRequest},
		{"source=nobody&position=1", "not_found", http.StatusNotFound},
	} {
		status, body := r.do(t, request{path: "/api/v1/wait?" + c.ask})
		_, fault := envelope[engine.Status](t, body)
		if status != c.status || fault == nil && c.code != "" || fault != nil && fault.Code != c.code {
			t.Errorf("%s is answered with %d %s", c.ask, status, body)
		}
	}
}
