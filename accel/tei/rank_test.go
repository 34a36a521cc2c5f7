package tei_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/accel/tei"
)

func TestAReRankerScoresTextsWhicheverItNamesFirst(t *testing.T) {
	body := `[{"index":1,"score":0.9},{"index":0,"score":0.1}]`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked map[string]any
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(map[string]any{"query": "q", "texts": []any{"a", "b"}, "truncate": false}, asked); diff != "" || r.URL.Path != "/rerank" {
			t.Errorf("%s was asked (-want +got):\n%s", r.URL.Path, diff)
		}
		w.Write([]byte(body))
	}))
	defer s.Close()
	c, err := tei.New(rest.ModelOptions{BaseURL: s.URL, Model: "ranker"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Rank(t.Context(), "q", []string{"a", "b"})
	if diff := cmp.Diff(accel.Ranked{Scores: []float64{0.1, 0.9}, Usage: accel.Usage{InputTokens: 2}}, got); diff != "" || err != nil {
		t.Errorf("ranked (-want +got):\n%s%v", diff, err)
	}
	for _, body = range []string{`[{"index":1,"score":0.9}]`, `{}`, `[{"index":1,"score":0.9},{"index":0}]`} {
		_, err := c.Rank(t.Context(), "q", []string{"a", "b"})
		if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Malformed {
			t.Errorf("%s gave %v", body, err)
		}
	}
}
