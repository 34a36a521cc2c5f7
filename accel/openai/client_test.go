package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/openai"
	"github.com/freshet/freshet/accel/rest"
)

func TestEmbedSendsOneRequestAndReadsItsVectors(t *testing.T) {
	s := serve(t)
	c := s.client(t, func(o *rest.ModelOptions) {
		o.BaseURL = s.URL + "/v1/?api-version=2"
		o.Headers = map[string]rest.Secret{"X-Extra": "yes"}
	})
	texts := []string{"one", "two\n\"quoted\" <b>", "drei ß 日本"}
	reply, err := c.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	want := accel.Reply{Model: "m-0613", Usage: accel.Usage{InputTokens: 21}}
	for _, text := range texts {
		want.Vectors = append(want.Vectors, vectorOf(text))
	}
	if diff := cmp.Diff(want, reply); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	asked := []request{{path: "/v1/embeddings", query: "api-version=2", key: "Bearer " + testKey, extra: "yes", Model: "m", Input: texts, Format: "base64"}}
	if diff := cmp.Diff(asked, s.seen(), cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if got, want := c.Identity(), (accel.Identity{Provider: "openai", Model: "m", Dims: testDims}); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
}

func TestWhatACorrectReplyMayLookLike(t *testing.T) {
	items := func(reply map[string]any) []any { return reply["data"].([]any) }
	tests := map[string]func(reply map[string]any){
		"permuted, with the index telling the truth": func(reply map[string]any) {
			data := items(reply)
			reply["data"] = append(data[1:len(data):len(data)], data[0])
		},
		"float arrays although base64 was asked for": func(reply map[string]any) {
			for i, item := range items(reply) {
				item.(map[string]any)["embedding"] = vectorOf(fmt.Sprint("t", i))
			}
		},
		"without any index": func(reply map[string]any) {
			for _, item := range items(reply) {
				delete(item.(map[string]any), "index")
			}
		},
		"with an index of zero left out": func(reply map[string]any) {
			delete(items(reply)[0].(map[string]any), "index")
		},
		"with members that nobody asked for": func(reply map[string]any) {
			reply["extra"] = map[string]any{"a": []any{1.5e-3, true, nil, "\u2028 \\ \"", map[string]any{}}}
			items(reply)[0].(map[string]any)["more"] = []any{[]any{}}
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.spoil = spoil
			reply, err := s.client(t, nil).Embed(t.Context(), []string{"t0", "t1", "t2", "t3"})
			if err != nil {
				t.Fatal(err)
			}
			want := [][]float32{vectorOf("t0"), vectorOf("t1"), vectorOf("t2"), vectorOf("t3")}
			if diff := cmp.Diff(want, reply.Vectors); diff != "" {
				t.Errorf("vectors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReplyThatIsWrongInAnyPartIsMalformedAsAWhole(t *testing.T) {
	first := func(reply map[string]any) map[string]any { return reply["data"].([]any)[0].(map[string]any) }
	tests := map[string]struct {
		spoil func(reply map[string]any)
		says  string
	}{
		"a vector too few":        {func(r map[string]any) { r["data"] = r["data"].([]any)[1:] }, "1 vectors for 2 texts"},
		"a vector too many":       {func(r map[string]any) { r["data"] = append(r["data"].([]any), first(r)) }, "more than 2 vectors"},
		"no vectors":              {func(r map[string]any) { r["data"] = []any{} }, "0 vectors for 2 texts"},
		"no data":                 {func(r map[string]any) { delete(r, "data") }, "0 vectors for 2 texts"},
		"data of another type":    {func(r map[string]any) { r["data"] = "x" }, "not the JSON"},
		"an index twice":          {func(r map[string]any) { first(r)["index"] = 1 }, "index 1 twice"},
		"an index out of range":   {func(r map[string]any) { first(r)["index"] = 2 }, "index 2 for 2 texts"},
		"a negative index":        {func(r map[string]any) { first(r)["index"] = -1 }, "index -1"},
		"a fractional index":      {func(r map[string]any) { first(r)["index"] = 0.5 }, "no whole number"},
		"a longer vector":         {func(r map[string]any) { first(r)["embedding"] = make([]float32, 9) }, "9 dimensions, not 8"},
		"a longer packed vector":  {func(r map[string]any) { first(r)["embedding"] = pack(make([]float32, 9)) }, "9 dimensions, not 8"},
		"an empty vector":         {func(r map[string]any) { first(r)["embedding"] = []any{} }, "0 dimensions, not 8"},
		"a null vector":           {func(r map[string]any) { first(r)["embedding"] = nil }, "no vector"},
		"no vector":               {func(r map[string]any) { delete(first(r), "embedding") }, "without a vector"},
		"a null in a vector":      {func(r map[string]any) { first(r)["embedding"] = []any{1, nil, 3, 4, 5, 6, 7, 8} }, "no finite number"},
		"NaN":                     {func(r map[string]any) { first(r)["embedding"] = []any{"not a number", 2, 3, 4, 5, 6, 7, 8} }, "no finite number"},
		"a packed NaN":            {func(r map[string]any) { first(r)["embedding"] = "AADAfwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8=" }, "not finite"},
		"a packed infinity":       {func(r map[string]any) { first(r)["embedding"] = "AACAfwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8=" }, "not finite"},
		"a number over float32":   {func(r map[string]any) { first(r)["embedding"] = []any{1e300, 2, 3, 4, 5, 6, 7, 8} }, "not finite"},
		"broken base64":           {func(r map[string]any) { first(r)["embedding"] = "AAD*" }, "not base64"},
		"base64 of a torn vector": {func(r map[string]any) { first(r)["embedding"] = "AADAfwA=" }, "not base64"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.spoil = test.spoil
			reply, err := s.client(t, nil).Embed(t.Context(), []string{"a", "b"})
			e, ok := errors.AsType[*accel.Error](err)
			if !ok || e.Kind != accel.Malformed || !e.Retryable() || !strings.Contains(e.Message, test.says) {
				t.Errorf("got %v, want malformed: …%s…", err, test.says)
			}
			if reply.Vectors != nil {
				t.Errorf("%d vectors were kept", len(reply.Vectors))
			}
			if reply.Usage.InputTokens != 14 {
				t.Errorf("usage %+v, want the 14 tokens that the server counted", reply.Usage)
			}
		})
	}
}

func TestBodiesThatAreNoReplyAreMalformed(t *testing.T) {
	tests := map[string]struct{ body, contentType, says string }{
		"an HTML page":      {"<html>bad gateway</html>", "text/html; charset=utf-8", "text/html"},
		"nothing":           {"", "application/json", "not the JSON"},
		"null":              {"null", "application/json", "not the JSON"},
		"half a reply":      {`{"object":"list","data":[{"index":0,"embedding":"AAAA`, "application/json", "ends inside"},
		"two replies":       {`{"data":[{"embedding":[1,2,3,4,5,6,7,8]}]}{}`, "application/json", "goes on"},
		"a deep nest":       {`{"x":` + strings.Repeat("[", 10_000), "application/json", "deeper than"},
		"more than it may":  {`{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "application/json", "longer than"},
		"an error with 200": {`{"error":{"message":"no"}}`, "application/json", "0 vectors"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.instead = status(200, test.body, "Content-Type", test.contentType)
			_, err := s.client(t, nil).Embed(t.Context(), []string{"a"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Malformed || !strings.Contains(e.Message, test.says) {
				t.Errorf("got %v, want malformed: …%s…", err, test.says)
			}
		})
	}
}

func TestRefusalsByKind(t *testing.T) {
	tests := map[string]struct {
		status     int
		body       string
		header     [2]string
		kind       accel.Kind
		retryAfter time.Duration
		says       string
	}{
		"400":                      {400, `{"error":{"message":"too long","type":"invalid_request_error","code":null}}`, [2]string{"Retry-After", "9"}, accel.Rejected, 0, "too long"},
		"400 of a model":           {400, `{"error":{"message":"no m","code":"model_not_found"}}`, [2]string{}, accel.UnknownModel, 0, "no m"},
		"413":                      {413, ``, [2]string{}, accel.Rejected, 0, "request entity too large"},
		"422 with a detail":        {422, `{"detail":"bad input"}`, [2]string{}, accel.Rejected, 0, "bad input"},
		"401":                      {401, `{"error":"who are you"}`, [2]string{}, accel.Auth, 0, "who are you"},
		"403":                      {403, `<html>forbidden</html>`, [2]string{}, accel.Auth, 0, "forbidden"},
		"402":                      {402, `{"message":"pay"}`, [2]string{}, accel.Quota, 0, "pay"},
		"404":                      {404, `not here`, [2]string{}, accel.UnknownModel, 0, "not here"},
		"429":                      {429, `{}`, [2]string{"Retry-After", "1.6"}, accel.Unavailable, 1600 * time.Millisecond, "too many requests"},
		"429 of a quota, by code":  {429, `{"error":{"message":"spent","code":"insufficient_quota"}}`, [2]string{"Retry-After", "1"}, accel.Quota, time.Second, "spent"},
		"429 of a quota, by type":  {429, `{"error":{"message":"spent","type":"insufficient_quota"}}`, [2]string{}, accel.Quota, 0, "spent"},
		"408":                      {408, ``, [2]string{}, accel.Unavailable, 0, "request timeout"},
		"500":                      {500, `{"error":{"message":"oh"}}`, [2]string{}, accel.Unavailable, 0, "oh"},
		"500 of a text too large":  {500, `{"error":{"code":500,"message":"input is too large to process. increase the physical batch size"}}`, [2]string{}, accel.Rejected, 0, "too large"},
		"503":                      {503, ``, [2]string{"retry-after-ms", "700"}, accel.Unavailable, 700 * time.Millisecond, "service unavailable"},
		"529":                      {529, `overloaded`, [2]string{}, accel.Unavailable, 0, "overloaded"},
		"204":                      {204, ``, [2]string{}, accel.Unavailable, 0, "no content"},
		"a redirect to other host": {307, ``, [2]string{"Location", "http://localhost:1/v1/embeddings"}, accel.Unavailable, 0, "redirected"},
		"a redirect that drops":    {302, ``, [2]string{"Location", "/elsewhere"}, accel.Unavailable, 0, "redirected"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.instead = status(test.status, test.body, test.header[0], test.header[1])
			reply, err := s.client(t, nil).Embed(t.Context(), []string{"a", "b"})
			e, ok := errors.AsType[*accel.Error](err)
			if !ok {
				t.Fatalf("got %v, want an *accel.Error", err)
			}
			if e.Kind != test.kind || e.Status != test.status || e.RetryAfter != test.retryAfter || e.Message != test.says && !strings.Contains(e.Message, test.says) {
				t.Errorf("got %+v, want kind %v, retry after %v, saying %q", e, test.kind, test.retryAfter, test.says)
			}
			if reply.Usage != (accel.Usage{}) || len(s.seen()) != 1 {
				t.Errorf("usage %+v after %d requests, want none after one", reply.Usage, len(s.seen()))
			}
		})
	}
}

func TestBrokenConnectionsAreOutages(t *testing.T) {
	tests := map[string]func(http.ResponseWriter, *http.Request) bool{
		"reset before the reply":     slam(""),
		"reset in the head":          slam("HTTP/1.1 200 OK\r\nContent-Ty"),
		"reset in the body":          slam("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"data\":["),
		"closed before its length":   slam("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":[]}"),
		"something that is not HTTP": slam("220 mail.example.com ESMTP\r\n"),
	}
	for name, instead := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.instead = instead
			_, err := s.client(t, nil).Embed(t.Context(), []string{"a"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Unavailable || e.Err == nil {
				t.Errorf("got %v, want an outage with its cause", err)
			}
		})
	}
	t.Run("a certificate that nobody vouches for", func(t *testing.T) {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		c, err := openai.New(rest.ModelOptions{BaseURL: s.URL, Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Embed(t.Context(), []string{"a"})
		if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Unavailable || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %v, want an outage that names the certificate", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		s := serve(t)
		c := s.client(t, nil)
		s.Close()
		_, err := c.Embed(t.Context(), []string{"a"})
		if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Unavailable || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v, want an outage: connection refused", err)
		}
	})
}

func TestSlowRepliesEndWithTheTimeout(t *testing.T) {
	tests := map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"no reply at all": func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		},
		"a reply that trickles": func(w http.ResponseWriter, r *http.Request) bool {
			for tick := time.NewTicker(20 * time.Millisecond); ; {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return true
				}
			}
		},
	}
	for name, instead := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.instead = instead
			c := s.client(t, func(o *rest.ModelOptions) { o.Timeout = 150 * time.Millisecond })
			begun := time.Now()
			_, err := c.Embed(t.Context(), []string{"a"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Unavailable || e.Message != "no complete answer within 150ms" {
				t.Errorf("got %v, want an outage by timeout", err)
			}
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("the timeout of 150 ms took %v", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if _, err := c.Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled call returned %v", err)
			}
		})
	}
}

func TestARedirectOnTheSameHostIsFollowedWithTheTexts(t *testing.T) {
	s := serve(t)
	s.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/") {
			return false
		}
		http.Redirect(w, r, r.URL.Path+"/", http.StatusTemporaryRedirect)
		return true
	}
	reply, err := s.client(t, nil).Embed(t.Context(), []string{"a"})
	if err != nil || len(reply.Vectors) != 1 {
		t.Fatalf("got %d vectors and %v", len(reply.Vectors), err)
	}
	if seen := s.seen(); len(seen) != 2 || seen[1].path != "/v1/embeddings/" || seen[1].key != "Bearer "+testKey {
		t.Errorf("requests %+v", seen)
	}
}

func TestAServerWithoutBase64IsAskedForFloats(t *testing.T) {
	s := serve(t)
	s.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if seen := s.seen(); seen[len(seen)-1].Format == "base64" {
			return status(422, `{"detail":"unknown encoding_format base64"}`)(w, r)
		}
		return false
	}
	c := s.client(t, nil)
	for range 2 {
		reply, err := c.Embed(t.Context(), []string{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]float32{vectorOf("a")}, reply.Vectors); diff != "" {
			t.Errorf("vectors (-want +got):\n%s", diff)
		}
	}
	if n := len(s.seen()); n != 3 {
		t.Errorf("%d requests, want the refused one and two", n)
	}
}

func TestAReplyWithoutUsageCountsWithTheEstimate(t *testing.T) {
	s := serve(t)
	s.spoil = func(reply map[string]any) { delete(reply, "usage") }
	reply, err := s.client(t, nil).Embed(t.Context(), []string{"four", strings.Repeat("x", 30)})
	if err != nil || reply.Usage.InputTokens != 12 {
		t.Errorf("got %+v and %v, want 12 tokens", reply.Usage, err)
	}
}

func TestOptionsThatCannotWorkAreRefusedAllAtOnce(t *testing.T) {
	_, err := openai.New(rest.ModelOptions{
		BaseURL: "ftp://x", Dims: -1, Timeout: -1, APIKey: "sk-secret\n",
		Headers: map[string]rest.Secret{"a b": "x", "X-Ok": "value\r\n"},
	})
	for _, part := range []string{"base_url", "model is missing", "dims -1", "timeout", "api_key holds a line break", `header "a b"`, `header "X-Ok"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	for _, url := range []string{"", "http://", "127.0.0.1:8080/v1", "https://user:hunter2@example.com/v1", "http://a b"} {
		_, err := openai.New(rest.ModelOptions{BaseURL: url, Model: "m"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("base_url %q: %v", url, err)
		}
	}
}

// The key is in no error, log, dump or JSON, whatever a server echoes.
func TestTheKeyIsToldToNobody(t *testing.T) {
	const header = "another-secret-value"
	s := serve(t)
	s.instead = status(401, `{"error":{"message":"Incorrect API key provided: `+testKey+` and `+header+`"}}`)
	options := rest.ModelOptions{BaseURL: s.URL + "?key=" + testKey, Model: "m", APIKey: testKey, Headers: map[string]rest.Secret{"X-Extra": header}}
	c := s.client(t, func(o *rest.ModelOptions) { *o = options })
	_, refused := c.Embed(t.Context(), []string{"a"})
	s.Close()
	_, unreachable := c.Embed(t.Context(), []string{"a"})
	var told strings.Builder
	slog.New(slog.NewJSONHandler(&told, nil)).Info("x", "key", options.APIKey, "headers", options.Headers, "refused", refused, "unreachable", unreachable)
	packed, err := json.Marshal(map[string]any{"key": options.APIKey, "headers": options.Headers})
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprintf("%v %+v %s %q %x %#v %v %v %s %s", options.APIKey, options.APIKey, options.APIKey, options.APIKey, options.APIKey, options.APIKey,
		refused, unreachable, told.String(), packed)
	for _, secret := range []string{testKey, header, fmt.Sprintf("%x", testKey)} {
		if strings.Contains(said, secret) {
			t.Errorf("%q was told: %s", secret, said)
		}
	}
	if !strings.Contains(refused.Error(), "Incorrect API key provided: [redacted] and [redacted]") {
		t.Errorf("the server's message is lost: %v", refused)
	}
}
