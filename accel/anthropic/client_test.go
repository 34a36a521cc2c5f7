package anthropic_test

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
	"github.com/freshet/freshet/accel/anthropic"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/backpressure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func server(t *testing.T, status int, body string, headers ...string) (*anthropic.Client, *map[string]any) {
	t.Helper()
	asked := map[string]any{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		asked["path"], asked["key"], asked["version"] = r.URL.Path, r.Header.Get("x-api-key"), r.Header.Get("anthropic-version")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	c, err := anthropic.New(rest.ModelOptions{BaseURL: s.URL + "/v1", Model: "claude", APIKey: "sk-ant-0123456789", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &asked
}

func TestAPromptIsAskedWithItsSchema(t *testing.T) {
	c, asked := server(t, 200, `{"model":"claude-9","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"{\"a\":"},{"type":"text","text":"1}"}],
		"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_creation_input_tokens":20,"cache_read_input_tokens":100,"output_tokens":7}}`,
		"anthropic-ratelimit-requests-limit", "50", "anthropic-ratelimit-requests-remaining", "49")
	g, err := c.Generate(t.Context(), accel.Prompt{System: "Be brief.", Examples: []accel.Example{{Question: "q", Answer: "{}"}}, Text: "Why?",
		Schema: json.RawMessage(`{"type":"object"}`), MaxTokens: 64})
	if err != nil {
		t.Fatal(err)
	}
	want := accel.Generated{Text: `{"a":1}`, Model: "claude-9", Usage: accel.Usage{InputTokens: 125, OutputTokens: 7},
		Announced: []backpressure.Announcement{{Dimension: backpressure.Requests, Limit: 50, Remaining: 49}}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	say := func(role, text string) any { return map[string]any{"role": role, "content": text} }
	if diff := cmp.Diff(map[string]any{"path": "/v1/messages", "key": "sk-ant-0123456789", "version": "2023-06-01", "model": "claude", "max_tokens": 64.0,
		"system": "Be brief.", "messages": []any{say("user", "q"), say("assistant", "{}"), say("user", "Why?")},
		"output_config": map[string]any{"format": map[string]any{"type": "json_schema", "schema": map[string]any{"type": "object"}}}}, *asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestHowAnAnswerEndsIsTold(t *testing.T) {
	for stop, want := range map[string]accel.Finish{"end_turn": accel.Finished, "stop_sequence": accel.Finished, "max_tokens": accel.CutOff, "refusal": accel.Declined} {
		c, _ := server(t, 200, `{"content":[{"type":"text","text":"words"}],"stop_reason":"`+stop+`","usage":{"input_tokens":1,"output_tokens":1}}`)
		g, err := c.Generate(t.Context(), accel.Prompt{Text: "Why?"})
		if err != nil || g.Finish != want || want == accel.Declined && g.Refusal != "words" {
			t.Errorf("%s: %+v, %v, want %v", stop, g, err, want)
		}
	}
}

func TestARefusalIsNamed(t *testing.T) {
	complaint := func(kind, says string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + says + `"}}`
	}
	for name, test := range map[string]struct {
		status int
		body   string
		kind   accel.Kind
	}{
		"overloaded":      {529, complaint("overloaded_error", "Overloaded"), accel.Unavailable},
		"a limit":         {429, complaint("rate_limit_error", "This request would exceed your limit"), accel.Unavailable},
		"a wrong key":     {401, complaint("authentication_error", "invalid x-api-key"), accel.Auth},
		"an unknown name": {404, complaint("not_found_error", "model: claude"), accel.UnknownModel},
		"no credit":       {400, complaint("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), accel.Quota},
		"a long prompt":   {400, complaint("invalid_request_error", "prompt is too long: 210000 tokens"), accel.Rejected},
		"no end":          {200, `{"content":[],"usage":{"input_tokens":4}}`, accel.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := server(t, test.status, test.body)
			_, err := c.Generate(t.Context(), accel.Prompt{Text: "Why?"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != test.kind {
				t.Errorf("%v, want kind %v", err, test.kind)
			}
		})
	}
}
