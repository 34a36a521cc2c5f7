package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// reader is a model server that plays a chat model: it speaks OpenAI's protocol, and reads tickets by their words. As
// models do, it now and then answers with what nobody has asked for.
type reader struct {
	mu      sync.Mutex
	asked   int  // prompts so far
	careful bool // it does not let itself be led astray any more
}

type chat struct {
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

func (m *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked chat
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.URL.Path != "/v1/chat/completions" || len(asked.Messages) == 0 {
		http.Error(w, `{"error":{"message":"this is no chat"}}`, http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.asked++
	answer := m.answer(asked.Messages[len(asked.Messages)-1].Content, len(asked.Messages) > 1)
	m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"model": "reader-1",
		"choices": []any{map[string]any{"finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": answer}}},
		"usage":   map[string]int{"prompt_tokens": 60, "completion_tokens": 20}})
}

// prompts is how many it was asked.
func (m *reader) prompts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// mend has it answer what is asked from now on.
func (m *reader) mend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.careful = true
}

// answer reads a prompt. It is asked again where its first answer was no use.
func (m *reader) answer(prompt string, again bool) string {
	ticket := prompt[strings.LastIndex(prompt, "From: "):]
	switch {
	case strings.Contains(ticket, "poem") && !m.careful:
		return "Small and silent, row by row,\nsensors watch the melting snow."
	case strings.Contains(ticket, "webhook") && !again:
		return `{"product": "webhooks", "severity": "medium", "due": "soon"}` // three fields, and none as it was asked for
	case strings.Contains(ticket, "slow"):
		return "Here is what I have found:\n```json\n" + fields(ticket) + "\n```"
	}
	return fields(ticket)
}

// fields are what a ticket says.
func fields(ticket string) string {
	text := strings.ToLower(ticket)
	pick := func(otherwise string, words ...string) string {
		for _, w := range words {
			name, marks, _ := strings.Cut(w, ":")
			if regexp.MustCompile(marks).MatchString(text) {
				return name
			}
		}
		return otherwise
	}
	var due any
	if day := regexp.MustCompile(`\d{4}-\d\d-\d\d`).FindString(text); day != "" {
		due = day
	}
	b, err := json.Marshal(map[string]any{
		"product":  pick("other", "billing:invoice|refund|charged|quote|subscription", "api:api", "dashboard:dashboard|map view", "sensors:sensor|battery|alert"),
		"severity": pick("normal", "urgent:urgent|is down|are down", "low:no hurry|thank you|can the|is that normal"),
		"due":      due,
	})
	if err != nil {
		return err.Error()
	}
	return string(b)
}
