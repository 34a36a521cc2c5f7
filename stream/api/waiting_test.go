package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

// A flow that has not begun says why to programs in JSON and to people on a page; beyond this machine to those alone who have its token.
func TestAFlowThatWaitsToBeginSaysWhyToWhoeverMayKnow(t *testing.T) {
	why := func() (api.Fault, []engine.Reason) {
		return api.Fault{Code: "server_unreachable", Message: "ask 10.0.0.7: <refused>", Hint: "start it"}, nil
	}
	for _, c := range []struct {
		name, path, accept, token string
		remote                    bool
		status                    int
		page, told                bool
	}{
		{"program", "/api/v1/status", "", "", false, 503, false, true},
		{"person", "/", "text/html", "", false, 503, true, true},
		{"person deep inside", "/letters/1", "text/html", "", false, 503, true, true},
		{"program from elsewhere", "/api/v1/status", "", "", true, 401, false, false},
		{"program from elsewhere with the token", "/api/v1/status", "", token, true, 503, false, true},
		{"person from elsewhere", "/", "text/html", "", true, 303, false, false},
		{"person from elsewhere who is led on", "/login", "text/html", "", true, 503, true, false},
		{"program that asks for the form", "/login", "", "", true, 503, true, false},
		{"style of the page", "/assets/console.css", "", "", true, 200, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := api.NewWaiting(why, api.Options{Flow: "handbook", Token: token, Remote: c.remote})
			asked := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+c.path, http.NoBody)
			asked.Header.Set("Accept", c.accept)
			if c.token != "" {
				asked.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			server.ServeHTTP(w, asked)
			said := w.Body.String()
			if page := strings.Contains(said, "<h1>The flow waits to begin</h1>"); w.Code != c.status || page != c.page {
				t.Errorf("answered %d, a page: %t: %s", w.Code, page, said)
			}
			if told := strings.Contains(said, "10.0.0.7"); told != c.told {
				t.Errorf("the reason is told: %t: %s", told, said)
			}
			if strings.Contains(said, "<refused>") && c.page {
				t.Errorf("the reason is taken for markup: %s", said)
			}
		})
	}
}
