package api

import (
	"embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/stream/engine"
)

//go:embed page
var pageFiles embed.FS

// policy lets the page load and ask nothing but its own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pages adds the page for people: figures, a search box, the changes as they come.
func (s *Server) pages(mux *http.ServeMux) {
	page := template.Must(template.New("page.html").Funcs(template.FuncMap{"count": count}).ParseFS(pageFiles, "page/page.html"))
	mux.Handle("GET /page/", http.FileServerFS(pageFiles))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.show(w, page, &pageData{}) })
	// A search is posted: it costs a call of the model, and other origins cannot post.
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
		data := &pageData{Text: r.PostFormValue("text")}
		found, err := s.find(r.Context(), Question{Text: data.Text})
		if err != nil {
			data.Fault = s.fault(err)
		} else {
			data.found(found)
		}
		s.show(w, page, data)
	})
}

// pageData is what the page shows.
type pageData struct {
	Status  engine.Status
	Ready   bool
	Reasons []engine.Reason
	Steps   []string // in a fixed order, as maps have none
	Sources []string
	Models  []string
	Sinks   []string
	Letters int64

	Text  string
	Asked bool
	Hits  []pageHit
	Fault *Fault
}

// pageHit is a row found, as people read it.
type pageHit struct {
	Score string
	Key   string
	Text  string
}

func (s *Server) show(w http.ResponseWriter, page *template.Template, data *pageData) {
	data.Status = s.flow.Health.Status()
	data.Ready, data.Reasons = s.flow.Health.Ready()
	data.Sources = slices.Sorted(maps.Keys(data.Status.Sources))
	data.Steps = slices.Sorted(maps.Keys(data.Status.Steps))
	data.Models = slices.Sorted(maps.Keys(data.Status.Models))
	data.Sinks = slices.Sorted(maps.Keys(data.Status.Sinks))
	for _, step := range data.Status.Steps {
		data.Letters += step.DLQ
	}
	var b strings.Builder
	if err := page.Execute(&b, data); err != nil {
		s.o.Logger.Error("the page cannot be shown", "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	_, _ = w.Write([]byte(b.String()))
}

// snippetMax is how much of a row's longest text the page shows, in characters.
const snippetMax = 400

// found keeps of every hit its key and its longest text.
func (d *pageData) found(a *Answer) {
	d.Asked = true
	for _, h := range a.Hits {
		var row map[string]any
		if json.Unmarshal(h.Row, &row) != nil {
			continue
		}
		key, _ := row["_key"].(string)
		d.Hits = append(d.Hits, pageHit{Score: strconv.FormatFloat(float64(h.Score), 'f', 3, 32), Key: key, Text: Snippet(row, snippetMax)})
	}
}

// Snippet is the longest text of a row besides its key, on one line and cut to so many characters.
func Snippet(row map[string]any, size int) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if value, ok := row[name].(string); ok && name != "_key" && len(value) > len(text) {
			text = value
		}
	}
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > size {
		line = append(line[:size-1], '…')
	}
	return string(line)
}

// count writes a number with thin separators, so that long ones can be read.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
