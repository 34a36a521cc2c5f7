package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/freshet/freshet/accel/builtin"
)

// modelKey is what the model server wants to be shown, and what must never be shown to anyone else.
const modelKey = "canary-5d41402abc4b2a76"

// newModelServer speaks OpenAI's embeddings protocol with the vectors of the built-in model. It refuses
// wrong keys, and texts with POISON in them.
func newModelServer() *httptest.Server {
	model, err := builtin.New(64)
	if err != nil {
		panic(err)
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		refuse := func(status int, message string) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message}})
		}
		var asked struct {
			Input []string `json:"input"`
			Model string   `json:"model"`
		}
		if r.Header.Get("Authorization") != "Bearer "+modelKey {
			refuse(http.StatusUnauthorized, "wrong key "+r.Header.Get("Authorization"))
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || strings.Contains(strings.Join(asked.Input, " "), "POISON") {
			refuse(http.StatusBadRequest, "this input is not accepted")
			return
		}
		reply, err := model.Embed(context.Background(), asked.Input)
		if err != nil {
			refuse(http.StatusInternalServerError, err.Error())
			return
		}
		type item struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		}
		items := make([]item, len(reply.Vectors))
		for i, v := range reply.Vectors {
			items[i] = item{i, v}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "model": asked.Model, "data": items,
			"usage": map[string]int{"prompt_tokens": 3, "total_tokens": 3}})
	}))
}
