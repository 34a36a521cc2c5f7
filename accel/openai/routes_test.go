package openai_test

import (
	"encoding/json"
	"errors"
	"io"
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

// route is a client of a server with one answer to everything.
func route(t *testing.T, status int, body string, see func(*http.Request)) *openai.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see(r)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	c, err := openai.New(rest.ModelOptions{BaseURL: s.URL + "/v1", Model: "m", APIKey: "key", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestScoresAreReadByTheirIndex(t *testing.T) {
	c := route(t, 200, `{"model":"ranker","results":[{"index":1,"relevance_score":0.5},{"index":0,"relevance_score":-2,"document":{"text":"a"}}],"usage":{"total_tokens":7}}`,
		func(r *http.Request) {
			var asked map[string]any
			if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
				t.Error(err)
			}
			want := map[string]any{"model": "m", "query": "q", "documents": []any{"a", "b"}, "return_documents": false}
			if diff := cmp.Diff(want, asked); diff != "" || r.URL.Path != "/v1/rerank" {
				t.Errorf("%s was asked (-want +got):\n%s", r.URL.Path, diff)
			}
		})
	got, err := c.Rank(t.Context(), "q", []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(accel.Ranked{Scores: []float64{-2, 0.5}, Model: "ranker", Usage: accel.Usage{InputTokens: 7}}, got); diff != "" {
		t.Errorf("ranked (-want +got):\n%s", diff)
	}
}

func TestRepliesThatScoreNotEveryTextOnceAreMalformed(t *testing.T) {
	for name, body := range map[string]string{
		"one is missing":    `{"results":[{"index":0,"relevance_score":1}]}`,
		"one comes twice":   `{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}`,
		"a place too far":   `{"results":[{"index":0,"relevance_score":1},{"index":2,"relevance_score":1}]}`,
		"a negative place":  `{"results":[{"index":0,"relevance_score":1},{"index":-1,"relevance_score":1}]}`,
		"no score":          `{"results":[{"index":0,"relevance_score":1},{"index":1}]}`,
		"no results":        `{"data":[]}`,
		"a score too large": `{"results":[{"index":0,"relevance_score":1},{"index":1,"relevance_score":1e999}]}`,
		"no JSON":           `hello`,
	} {
		t.Run(name, func(t *testing.T) {
			c := route(t, 200, body, func(*http.Request) {})
			got, err := c.Rank(t.Context(), "q", []string{"a", "b"})
			if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Malformed || got.Scores != nil {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestARecordingIsSentAsAFileWhoseNameTellsItsKind(t *testing.T) {
	for file, name := range map[string]string{
		"RIFF....WAVEfmt ": "audio.wav", "OggS\x00": "audio.ogg", "fLaC": "audio.flac", "\x00\x00\x00\x20ftypM4A": "audio.m4a",
		"\x1aE\xdf\xa3": "audio.webm", "ID3\x03": "audio.mp3", "x": "audio.mp3",
	} {
		c := route(t, 200, `{"text":" What was said.\n","usage":{"type":"tokens","input_tokens":14,"output_tokens":5}}`, func(r *http.Request) {
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				t.Error(err)
				return
			}
			want := map[string][]string{"model": {"m"}, "response_format": {"json"}, "temperature": {"0"}, "language": {"en"}, "prompt": {"Freshet"}}
			if diff := cmp.Diff(want, map[string][]string(r.MultipartForm.Value)); diff != "" || r.URL.Path != "/v1/audio/transcriptions" {
				t.Errorf("%s was asked (-want +got):\n%s", r.URL.Path, diff)
			}
			part, header, err := r.FormFile("file")
			if err != nil {
				t.Error(err)
				return
			}
			got, err := io.ReadAll(part)
			if err != nil || string(got) != file || header.Filename != name {
				t.Errorf("%q was sent as %s, %v", got, header.Filename, err)
			}
		})
		got, err := c.Transcribe(t.Context(), accel.Recording{Language: "en", Prompt: "Freshet", File: file})
		if diff := cmp.Diff(accel.Transcript{Text: "What was said.", Usage: accel.Usage{InputTokens: 14, OutputTokens: 5}}, got); diff != "" || err != nil {
			t.Errorf("transcript (-want +got):\n%s%v", diff, err)
		}
	}
	for body, kind := range map[string]accel.Kind{`{"text":null}`: accel.Malformed, `[]`: accel.Malformed} {
		c := route(t, 200, body, func(*http.Request) {})
		if _, err := c.Transcribe(t.Context(), accel.Recording{File: "x"}); !isKind(err, kind) {
			t.Errorf("%s: %v", body, err)
		}
	}
	c := route(t, 400, `{"error":{"message":"Invalid file format."}}`, func(*http.Request) {})
	if _, err := c.Transcribe(t.Context(), accel.Recording{File: "x"}); !isKind(err, accel.Rejected) {
		t.Errorf("a file that is refused gives %v", err)
	}
}

func isKind(err error, kind accel.Kind) bool {
	e, ok := errors.AsType[*accel.Error](err)
	return ok && e.Kind == kind
}

func TestImagesGoAsObjectsBesideTexts(t *testing.T) {
	c := route(t, 200, `{"data":[{"index":0,"embedding":[1,0]},{"index":1,"embedding":[0,1]}],"model":"clip"}`, func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"input":["a cat",{"image":"iVBORw=="}]`) {
			t.Errorf("sent %s, %v", body, err)
		}
	})
	reply, err := c.Embed(t.Context(), []string{"a cat", string(accel.AppendImage(nil, []byte("\x89PNG")))})
	if err != nil || len(reply.Vectors) != 2 || reply.Usage.InputTokens < 1000 {
		t.Errorf("%+v, %v", reply, err)
	}
}
