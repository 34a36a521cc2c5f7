package tei_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/accel/tei"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, dims int, answer http.HandlerFunc, texts ...string) (accel.Reply, error) {
	t.Helper()
	s := httptest.NewServer(answer)
	defer s.Close()
	c, err := tei.New(rest.ModelOptions{BaseURL: s.URL, Model: "bge", Dims: dims, APIKey: "secret-key", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.Embed(t.Context(), texts)
}

func TestVectorsComeInOrder(t *testing.T) {
	reply, err := ask(t, 2, func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Inputs              []string
			Normalize, Truncate bool
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/embed" || len(q.Inputs) != 2 || !q.Normalize || q.Truncate ||
			r.Header.Get("Authorization") != "Bearer secret-key" {
			t.Errorf("asked %s with %+v, %v", r.URL, q, err)
		}
		w.Write([]byte(`[[1,2],[3,-4.5]]`))
	}, "one", "another one")
	if err != nil {
		t.Fatal(err)
	}
	want := accel.Reply{Vectors: [][]float32{{1, 2}, {3, -4.5}}, Usage: accel.Usage{InputTokens: 5}}
	if diff := cmp.Diff(want, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoReplyIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		kind   accel.Kind
	}{
		"too few":                 {200, `[[1,2]]`, accel.Malformed},
		"another length":          {200, `[[1,2],[3]]`, accel.Malformed},
		"no vectors":              {200, `{"vectors":[]}`, accel.Malformed},
		"a number too large":      {200, `[[1,2],[3,1e39]]`, accel.Malformed},
		"a full queue":            {429, `{"error":"Model is overloaded","error_type":"overloaded"}`, accel.Unavailable},
		"a text that is too long": {413, `{"error":"inputs must have less than 512 tokens. Given: 900","error_type":"Validation"}`, accel.Rejected},
		"a backend that failed":   {424, `{"error":"backend error","error_type":"backend"}`, accel.Unavailable},
		"no memory":               {500, `{"error":"CUDA out of memory"}`, accel.OutOfMemory},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := ask(t, 2, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				w.Write([]byte(test.body))
			}, "one", "another one")
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != test.kind || reply.Vectors != nil {
				t.Errorf("%v and %d vectors, want kind %v and none", err, len(reply.Vectors), test.kind)
			}
		})
	}
}
