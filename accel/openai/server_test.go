package openai_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel/openai"
	"github.com/freshet/freshet/accel/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testDims = 8
	testKey  = "sk-test-0123456789"
)

// vectorOf is what the test server answers a text with.
func vectorOf(text string) []float32 {
	v := make([]float32, testDims)
	for i, c := range []byte(text) {
		v[i%testDims] += float32(c) / float32(3+i)
	}
	return v
}

// server speaks the protocol over a real connection, and misbehaves as told.
type server struct {
	*httptest.Server
	// spoil changes a correct reply before it is written: "data" holds the items, in order.
	spoil func(reply map[string]any)
	// instead answers in place of the model; it returns false to let the model answer.
	instead func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []request
}

type request struct {
	path, query, key, extra string
	Model                   string
	Input                   []string
	Format                  string `json:"encoding_format"`
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) seen() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := request{path: r.URL.Path, query: r.URL.RawQuery, key: r.Header.Get("Authorization"), extra: r.Header.Get("X-Extra")}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, asked)
	s.mu.Unlock()
	if s.instead != nil && s.instead(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(s.reply(asked))
}

func (s *server) reply(asked request) []byte {
	var items []any
	for i, text := range asked.Input {
		var embedding any = vectorOf(text)
		if asked.Format == "base64" {
			embedding = pack(vectorOf(text))
		}
		items = append(items, map[string]any{"object": "embedding", "index": i, "embedding": embedding})
	}
	reply := map[string]any{
		"object": "list", "model": asked.Model + "-0613", "data": items,
		"usage": map[string]any{"prompt_tokens": 7 * len(items), "total_tokens": 7 * len(items)},
	}
	if s.spoil != nil {
		s.spoil(reply)
	}
	body, err := json.Marshal(reply)
	if err != nil {
		panic(err)
	}
	// JSON has no NaN; a server that writes one writes this.
	return []byte(strings.ReplaceAll(string(body), `"not a number"`, "NaN"))
}

func pack(v []float32) string {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// client returns a client of the server, with what change makes of its options.
func (s *server) client(t *testing.T, change func(*rest.ModelOptions)) *openai.Client {
	t.Helper()
	o := rest.ModelOptions{BaseURL: s.URL + "/v1", Model: "m", APIKey: testKey, Dims: testDims, Timeout: 5 * time.Second}
	if change != nil {
		change(&o)
	}
	c, err := openai.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func status(code int, body string, headers ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
		return true
	}
}

// slam resets the connection after writing some bytes of a reply.
func slam(reply string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(conn, reply)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
		return true
	}
}
