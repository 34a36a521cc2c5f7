package ollama_test

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
	"github.com/freshet/freshet/accel/ollama"
	"github.com/freshet/freshet/accel/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers every request with a body, and keeps what it was asked.
func server(t *testing.T, status int, body string) (*ollama.Client, *map[string]any) {
	t.Helper()
	asked := map[string]any{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clear(asked)
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		asked["path"] = r.URL.Path
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	c, err := ollama.New(rest.ModelOptions{BaseURL: s.URL, Model: "nomic", Dims: 2, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &asked
}

func TestVectorsComeWithTheirUsage(t *testing.T) {
	c, asked := server(t, 200, `{"model":"nomic","embeddings":[[1,2],[3,4]],"prompt_eval_count":9}`)
	reply, err := c.Embed(t.Context(), []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	want := accel.Reply{Vectors: [][]float32{{1, 2}, {3, 4}}, Model: "nomic", Usage: accel.Usage{InputTokens: 9}}
	if diff := cmp.Diff(want, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"path": "/api/embed", "model": "nomic", "input": []any{"a", "b"}, "truncate": false}, *asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestAPromptIsAskedWithItsSchemaAndRoom(t *testing.T) {
	c, asked := server(t, 200, `{"model":"llama","message":{"role":"assistant","content":"{}"},"done":true,"done_reason":"length","prompt_eval_count":5,"eval_count":7}`)
	warm := 0.5
	g, err := c.Generate(t.Context(), accel.Prompt{System: "Be brief.", Text: "Why?", Reply: "no", Complaint: "Not JSON.",
		Schema: json.RawMessage(`{"type":"object"}`), Temperature: &warm, MaxTokens: 64})
	if err != nil {
		t.Fatal(err)
	}
	want := accel.Generated{Text: "{}", Model: "llama", Finish: accel.CutOff, Usage: accel.Usage{InputTokens: 5, OutputTokens: 7}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	say := func(role, text string) any { return map[string]any{"role": role, "content": text} }
	if diff := cmp.Diff(map[string]any{"path": "/api/chat", "model": "nomic", "stream": false, "format": map[string]any{"type": "object"},
		"options":  map[string]any{"temperature": 0.5, "num_predict": 64.0},
		"messages": []any{say("system", "Be brief."), say("user", "Why?"), say("assistant", "no"), say("user", "Not JSON.\n\nWhy?")}}, *asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoReplyIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		kind   accel.Kind
	}{
		"too few":                 {200, `{"embeddings":[[1,2]]}`, accel.Malformed},
		"another length":          {200, `{"embeddings":[[1,2,3],[1,2,3]]}`, accel.Malformed},
		"no JSON":                 {200, `hello`, accel.Malformed},
		"a full queue":            {503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, accel.Unavailable},
		"a model that is missing": {404, `{"error":"model \"nomic\" not found, try pulling it first"}`, accel.UnknownModel},
		"a text that is too long": {400, `{"error":"the input length exceeds the context length"}`, accel.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := server(t, test.status, test.body)
			reply, err := c.Embed(t.Context(), []string{"a", "b"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != test.kind || reply.Vectors != nil {
				t.Errorf("%v, want kind %v", err, test.kind)
			}
		})
	}
	c, _ := server(t, 200, `{"message":{"role":"assistant","content":"half"},"done":false,"prompt_eval_count":3}`)
	g, err := c.Generate(t.Context(), accel.Prompt{Text: "Why?"})
	if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Malformed || g.Usage.InputTokens != 3 {
		t.Errorf("an unfinished message gave %+v, %v", g, err)
	}
}
