package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A model whose vectors have another length than the flow says is named so, however long they are, with the length that they have.
func TestDoctorNamesVectorsOfAnotherLength(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		vector := make([]float64, served.Load())
		for i := range vector {
			vector[i] = 0.123456789012345678 + float64(i)
		}
		w.Header().Set("Content-Type", "application/json")
		body := map[string]any{"object": "list", "data": []any{map[string]any{"index": 0, "embedding": vector}}}
		if r.URL.Path == "/api/embed" {
			body = map[string]any{"embeddings": []any{vector}}
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	defer server.Close()
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, long := range []int64{64, 9000} {
		served.Store(long)
		for _, kind := range []string{"openai: {base_url: \"" + server.URL + "/v1\", model: small}", "ollama: {base_url: \"" + server.URL + "\", model: small}"} {
			text := "flow: longer\nlimits: {disk_free: 1MiB}\nmodels: {embedder: {" + kind + ", dims: 32}}\nsources: {docs: {files: {path: ./docs}}}\n" +
				"steps: {vectors: {from: docs, embed: {model: embedder, text: row.text}}}\nsinks: {index: {from: vectors, vector: {}}}\n"
			if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, envelope, said := verb(t, "doctor", flow)
			told, _ := envelope["error"].(map[string]any)
			hint, _ := told["hint"].(string)
			if code != exitEnvironment || told["code"] != "dims_mismatch" || !strings.Contains(hint, fmt.Sprintf("write `dims: %d`", long)) {
				t.Errorf("%d numbers: exit %d: %s", long, code, said)
			}
		}
	}
}
