package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/flowfile"
)

// roles is a server of a model for each role. It counts what it is asked, route by route.
type roles struct {
	mu    sync.Mutex
	asked map[string]int
}

func (s *roles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	s.mu.Unlock()
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.URL.Path {
	case "/v1/audio/transcriptions":
		_, header, err := r.FormFile("file")
		if err != nil || header.Filename == "audio.mp3" {
			w.WriteHeader(http.StatusBadRequest)
			reply(map[string]any{"error": map[string]any{"message": "Invalid file format."}})
			return
		}
		reply(map[string]any{"text": "the invoice is wrong"})
	case "/v1/rerank":
		var asked struct{ Documents []string }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		var results []map[string]any
		for i, text := range asked.Documents {
			results = append(results, map[string]any{"index": i, "relevance_score": float64(strings.Count(text, "invoice"))})
		}
		reply(map[string]any{"model": "ranker", "results": results})
	case "/v1/embeddings":
		var asked struct{ Input []json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		var data []map[string]any
		for i, in := range asked.Input {
			v := []float32{1, 0} // what shows a cat
			if !strings.Contains(string(in), "Y2F0") && !strings.Contains(string(in), "cat") {
				v = []float32{0, 1}
			}
			data = append(data, map[string]any{"index": i, "embedding": v})
		}
		reply(map[string]any{"model": "clip", "data": data})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *roles) counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for k, v := range s.asked {
		all[strings.TrimPrefix(k, "/v1/")] = v
	}
	return all
}

// A recording is written down and ranked, an image is found by words, what is refused is a dead letter, and what was
// asked once is not asked again.
func TestSoundIsWrittenDownAndRankedAndImagesAreFoundByWords(t *testing.T) {
	s := &roles{asked: map[string]int{}}
	server := httptest.NewServer(s)
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("flow.yaml", fmt.Sprintf(`flow: media
models:
  ears:   {openai: {base_url: "%[1]s/v1", model: whisper-1}, limits: {concurrency: 1}}
  ranker: {openai: {base_url: "%[1]s/v1", model: ranker}, limits: {concurrency: 1}}
  clip:   {openai: {base_url: "%[1]s/v1", model: clip}, dims: 2}
sources:
  calls:  {files: {path: ./calls}}
  photos: {files: {path: ./photos}}
steps:
  said:    {from: calls, transcribe: {model: ears, audio: row.content, language: en, as: said}}
  urgent:  {from: said, rerank: {model: ranker, query: '"a complaint about an invoice"', text: row.said}}
  vectors: {from: photos, embed: {model: clip, image: row.content}}
sinks:
  log:   {from: urgent, jsonl: {path: ./log.jsonl}, columns: [said, score]}
  index: {from: vectors, vector: {metric: cosine}, columns: [path]}
`, server.URL))
	write("calls/a.ogg", "OggS one")
	write("calls/copy.ogg", "OggS one")
	write("calls/b.txt", "no sound at all")
	write("photos/cat.png", "cat")
	write("photos/dog.png", "dog!")
	flow := filepath.Join(dir, "flow.yaml")
	if code, _, said := verb(t, "run", flow, "--once"); code != exitRunTime || !strings.Contains(said, "dead_letters") {
		t.Fatalf("exit %d: %s", code, said)
	}
	first := s.counts()
	if first["audio/transcriptions"] != 2 || first["rerank"] != 1 || first["embeddings"] == 0 {
		t.Errorf("requests: %v", first)
	}
	_, _, _ = verb(t, "run", flow, "--once")
	if diff := cmp.Diff(first, s.counts()); diff != "" {
		t.Errorf("requests after another run (-want +got):\n%s", diff)
	}
	log, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	if err != nil || strings.Count(string(log), `"said":"the invoice is wrong","score":1`) != 2 || strings.Count(string(log), "\n") != 2 {
		t.Errorf("the log holds %s, %v", log, err)
	}
	if _, _, said := verb(t, "dlq", "ls", flow); strings.Count(said, "Invalid file format.") != 1 || !strings.Contains(said, "b.txt") {
		t.Errorf("dead letters: %s", said)
	}
	if _, _, said := verb(t, "query", flow, "a cat", "-k", "1"); !strings.Contains(said, "cat.png") {
		t.Errorf("the search finds %s", said)
	}
}

// Two names of one model at one server have one limit, so that it can be written in one way only.
func TestNamesOfOneModelShareItsLimits(t *testing.T) {
	flow := filepath.Join(t.TempDir(), "flow.yaml")
	check := func(second string) string {
		t.Helper()
		text := fmt.Sprintf(`flow: two
models:
  one: {openai: {base_url: "http://127.0.0.1:9/v1", model: m}, dims: 2, limits: {rpm: 60}}
  two: {openai: {base_url: "http://127.0.0.1:9/v1", model: m}, limits: {rpm: %s}}
sources: {docs: {files: {path: .}}}
steps:
  a: {from: docs, embed: {model: one, text: row.text}}
  b: {from: a, extract: {model: two, prompt: "What? {{ row.text }}", output: {x: string}}}
sinks: {log: {from: b, jsonl: {path: ./log.jsonl}}}
`, second)
		if err := os.WriteFile(flow, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, said := verb(t, "validate", flow)
		return said
	}
	if said := check("60"); strings.Contains(said, `"ok":false`) {
		t.Errorf("the same limits are refused: %s", said)
	}
	if said := check("30"); !strings.Contains(said, "one model at one server") {
		t.Errorf("other limits are taken: %s", said)
	}
}

// What the flow file says of requests is what the batcher is told.
func TestTheKeysOfAModelReachItsBatcher(t *testing.T) {
	m := flowfile.ModelConfig{Batch: flowfile.Batch{Rows: 7, Tokens: 99, Padded: true}, Limits: flowfile.ModelLimits{Concurrency: 3, Timeout: time.Minute}}
	o, err := newEndpoints().asking("m", endpoint{kind: "tei"}, m, slog.New(slog.DiscardHandler))
	if err != nil || o.Rows != 7 || o.Tokens != 99 || !o.Padded || o.Timeout != time.Minute || o.Governor.Concurrency() != 3 {
		t.Errorf("asked with %+v, %v", o, err)
	}
}
