package s3_test

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// Who we are is what the environment says; where it says nothing, nobody. What is named and cannot be had is a fault.
func TestIdentityIsThatOfTheEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want func(r *http.Request) bool
		code string
	}{
		"a key": {
			map[string]string{"AWS_REGION": "eu-west-1"},
			func(r *http.Request) bool {
				return strings.Contains(r.Header.Get("Authorization"), "Credential=test/") && strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/s3/")
			}, "none",
		},
		"a key with a token of its session": {
			map[string]string{"AWS_SESSION_TOKEN": "token"},
			func(r *http.Request) bool { return r.Header.Get("X-Amz-Security-Token") == "token" }, "none",
		},
		"nobody": {
			map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }, "none",
		},
		"a profile that is not there": {map[string]string{"AWS_PROFILE": "missing"}, nil, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			w := newWorld(t)
			var right, wrong atomic.Int64
			served := *w.handler.Load()
			w.serve(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
				if c.want(r) {
					right.Add(1)
				} else {
					wrong.Add(1)
				}
				served.ServeHTTP(to, r)
			}))
			w.many(2)
			if err := w.once(); fault(err).Code != c.code {
				t.Errorf("the run ends with %v", err)
			}
			if wrong.Load() > 0 || c.want != nil && right.Load() == 0 {
				t.Errorf("%d requests are right and %d are not", right.Load(), wrong.Load())
			}
		})
	}
}

// A server that is not there is waited for by a service, and given up by a run that is to end.
func TestAServerThatCannotBeReached(t *testing.T) {
	w := newWorld(t)
	w.many(2)
	at := w.options.Endpoint
	w.options.Endpoint = "http://" + free(t)
	w.begin()
	w.wait("the problem", func() bool {
		return fault(w.in.Hindrance()).Code == "server_unreachable" && fault(w.in.Hindrance()).Hint != ""
	})
	w.halt()
	if os.Getenv("FRESHET_SOAK") == "1" { // it is patient for more than twenty seconds
		if err := w.once(); fault(err).Code != "server_unreachable" {
			t.Errorf("the run ends with %v", err)
		}
	}
	w.options.Endpoint = at
	w.load()
	w.holds(w.bucket.Texts(""))
}
