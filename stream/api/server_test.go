package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

func TestEveryRouteAnswers(t *testing.T) {
	r := start(t, api.Options{})

	if status, text := r.do(t, request{path: "/livez"}); status != 200 || text != "ok\n" {
		t.Errorf("/livez: %d %q", status, text)
	}
	if status, text := r.do(t, request{path: "/readyz"}); status != 200 || text != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}
	status, text := r.do(t, request{path: "/metrics"})
	for _, family := range []string{`freshet_source_changes_total{flow="handbook",op="update",source="docs"}`,
		`freshet_dead_letters{flow="handbook"} 1`, "freshet_epoch_seconds_bucket", "freshet_batch_rows_bucket",
		`freshet_source_position_bytes{flow="handbook",source="docs"} 0`} {
		if status != 200 || !strings.Contains(text, family) {
			t.Errorf("/metrics: status %d, without %s", status, family)
		}
	}

	s := must[engine.Status](t, r, request{path: "/api/v1/status"})
	if s.Flow != "handbook" || s.State != "running" || s.Sinks["index"].Rows != 3 {
		t.Errorf("status: flow %q, state %q, %d rows; want handbook, running, 3", s.Flow, s.State, s.Sinks["index"].Rows)
	}

	l := must[engine.Lineage](t, r, request{path: "/api/v1/lineage?key=docs/billing.txt"})
	if len(l.Downstream) != 2 || l.Downstream[1].Name != "index" {
		t.Errorf("lineage of a file: %v", l.Downstream)
	}
	l = must[engine.Lineage](t, r, request{path: "/api/v1/lineage?key=index/billing.txt"})
	if len(l.Upstream) != 2 || l.Upstream[1].Kind != "source" {
		t.Errorf("lineage of a row: %v", l.Upstream)
	}
}

func TestSearchFindsRowsBestFirst(t *testing.T) {
	r := start(t, api.Options{})
	a := must[api.Answer](t, r, request{path: "/api/v1/search", body: `{"text": "when do backups run", "k": 9}`})
	if len(a.Hits) != 3 || a.Hits[0].Score <= a.Hits[1].Score {
		t.Fatalf("hits: %v", a.Hits)
	}
	var row map[string]any
	if err := json.Unmarshal(a.Hits[0].Row, &row); err != nil {
		t.Fatal(err)
	}
	delete(row, "_version")
	want := map[string]any{"_key": "backups.txt", "path": "backups.txt", "text": corpus["backups.txt"]}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("the best row differs (-want +got):\n%s", diff)
	}

	a = must[api.Answer](t, r, request{path: "/api/v1/search", body: `{"text": "backups", "where": "row.path != \"backups.txt\""}`})
	if len(a.Hits) != 2 {
		t.Errorf("a condition leaves %d hits, want 2", len(a.Hits))
	}
	numbers := strings.TrimSuffix(strings.Repeat("0.5,", 64), ",")
	a = must[api.Answer](t, r, request{path: "/api/v1/search", body: `{"vector": [` + numbers + `], "k": 1}`})
	if len(a.Hits) != 1 {
		t.Errorf("a vector finds %d hits, want 1", len(a.Hits))
	}
}

// A sink over collections with other columns: each row comes in its own form, with the name of its collection, and a
// condition is asked of those that have its columns.
func TestSearchSpansCollectionsOfSeveralForms(t *testing.T) {
	r := startWith(t, api.Options{}, notes)
	find := func(where string) map[string]map[string]any {
		a := must[api.Answer](t, r, request{path: "/api/v1/search", body: `{"sink": "both", "k": 9, "text": "nightly backups", "where": "` + where + `"}`})
		rows := map[string]map[string]any{}
		for _, h := range a.Hits {
			var row map[string]any
			if err := json.Unmarshal(h.Row, &row); err != nil {
				t.Fatal(err)
			}
			rows[h.Collection] = row
		}
		return rows
	}
	all := find("")
	if len(all) != 2 || all["part_vectors"]["chunk"] != "The nightly backups are kept for a week." || all["part_vectors"]["text"] != nil && all["vectors"]["chunk"] != nil || all["vectors"]["text"] == nil {
		t.Errorf("the rows are %v", all)
	}
	if some := find("row.chunk.contains('week')"); len(some) != 1 || some["part_vectors"] == nil {
		t.Errorf("with a condition on a column of one of them the rows are %v", some)
	}
}

func TestWrongRequestsAreRefusedWithTheirReason(t *testing.T) {
	r := start(t, api.Options{})
	large := `{"text": "` + strings.Repeat("x", 2<<20) + `"}`
	cases := []struct {
		name   string
		ask    request
		status int
		code   string
	}{
		{"lineage of nothing", request{path: "/api/v1/lineage"}, 400, "usage"},
		{"lineage of an unknown key", request{path: "/api/v1/lineage?key=docs/none"}, 404, "not_found"},
		{"a dead letter that is not there", request{path: "/api/v1/dlq/none"}, 404, "not_found"},
		{"a path that is not there", request{path: "/api/v1/stauts"}, 404, "not_found"},
		{"a search by GET would cost a call", request{path: "/api/v1/search?text=x"}, 405, "wrong_method"},
		{"a search along nothing", request{path: "/api/v1/search", body: `{"vector": [0, 0]}`}, 400, "bad_value"},
		{"a status that is posted", request{path: "/api/v1/status", body: `{}`}, 405, "wrong_method"},
		{"a plan for a page of another origin", request{path: "/api/v1/plan", header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, "forbidden"},
		{"a search for nothing", request{path: "/api/v1/search", body: `{}`}, 400, "usage"},
		{"a search for two things", request{path: "/api/v1/search", body: `{"text": "x", "vector": [1]}`}, 400, "usage"},
		{"a search for no rows", request{path: "/api/v1/search", body: `{"text": "x", "k": -1}`}, 400, "bad_value"},
		{"a search for too many rows", request{path: "/api/v1/search", body: `{"text": "x", "k": 1000000}`}, 400, "bad_value"},
		{"a condition on no column", request{path: "/api/v1/search", body: `{"text": "x", "where": "row.pth == 'x'"}`}, 400, "unknown_column"},
		{"a condition that does not parse", request{path: "/api/v1/search", body: `{"text": "x", "where": "row.path =="}`}, 400, "expression_syntax"},
		{"a condition that is none", request{path: "/api/v1/search", body: `{"text": "x", "where": "row.path"}`}, 400, "expression_type"},
		{"an unknown member", request{path: "/api/v1/search", body: `{"txt": "x"}`}, 400, "bad_value"},
		{"no JSON", request{path: "/api/v1/search", body: `text=x`}, 400, "bad_value"},
		{"two values", request{path: "/api/v1/search", body: `{"text": "x"} {}`}, 400, "bad_value"},
		{"a body without end", request{path: "/api/v1/search", body: large}, 413, "too_large"},
		{"a change without the token", request{path: "/api/v1/dlq/retry", body: `{"all": true}`}, 401, "unauthorized"},
		{"a change with another token", request{path: "/api/v1/dlq/discard", body: `{"all": true}`, token: "guessed"}, 401, "unauthorized"},
		{"a question with another token", request{path: "/api/v1/status", token: "guessed"}, 401, "unauthorized"},
		{"a scheme that is not known", request{path: "/api/v1/status", header: map[string]string{"Authorization": "Digest x"}}, 401, "unauthorized"},
		{"a pause without the token", request{path: "/api/v1/pause", body: `{}`}, 401, "unauthorized"},
		{"a backfill without the token", request{path: "/api/v1/backfill", body: `{"source": "docs"}`}, 401, "unauthorized"},
		{"a backfill of an unknown source", request{path: "/api/v1/backfill", body: `{"source": "dosc"}`, token: token}, 404, "not_found"},
		{"a backfill of what there is not", request{path: "/api/v1/backfill", body: `{"sink": "index"}`, token: token}, 400, "bad_value"},
		{"a retry of what, and all", request{path: "/api/v1/dlq/retry", body: `{"all": true, "id": "x"}`, token: token}, 400, "usage"},
		{"a retry of nothing", request{path: "/api/v1/dlq/retry", body: `{}`, token: token}, 400, "usage"},
		{"a retry of an unknown letter", request{path: "/api/v1/dlq/retry", body: `{"id": "none"}`, token: token}, 404, "not_found"},
		{"a change by GET", request{path: "/api/v1/dlq/discard?all=true", token: token}, 404, "not_found"},
		{"a name that another can let point here", request{path: "/api/v1/status", host: "evil.example"}, 403, "forbidden"},
		{"a name that begins as ours", request{path: "/api/v1/status", host: "localhost.evil.example:7700"}, 403, "forbidden"},
		{"a page of another origin", request{path: "/api/v1/search", body: `{"text": "x"}`,
			header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, "forbidden"},
		{"a page of an old browser", request{path: "/api/v1/search", body: `{"text": "x"}`,
			header: map[string]string{"Origin": "https://evil.example"}}, 403, "forbidden"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, text := r.do(t, c.ask)
			_, fault := envelope[any](t, text)
			if fault == nil {
				t.Fatalf("status %d, %s", status, text)
			}
			if status != c.status || fault.Code != c.code || fault.Message == "" || fault.Hint == "" {
				t.Errorf("status %d, fault %+v; want %d, %s, a message and a hint", status, *fault, c.status, c.code)
			}
			if strings.Contains(text, token) {
				t.Error("the answer shows the token")
			}
		})
	}
	if n := len(must[api.Items](t, r, request{path: "/api/v1/dlq"}).Items); n != 1 {
		t.Errorf("%d dead letters are left, want the 1 that nobody was allowed to touch", n)
	}
}

func TestDeadLettersAreShownRetriedAndDiscarded(t *testing.T) {
	r := start(t, api.Options{})
	items := must[api.Items](t, r, request{path: "/api/v1/dlq"}).Items
	if len(items) != 1 || items[0].Key != "large.txt" || items[0].Code != "too_large" {
		t.Fatalf("dead letters: %+v", items)
	}
	id := items[0].ID
	if one := must[engine.DeadLetter](t, r, request{path: "/api/v1/dlq/" + id}); one.Key != "large.txt" {
		t.Errorf("dead letter %s is of %q", id, one.Key)
	}
	body := `{"id": "` + id + `"}`
	if n := len(must[api.Items](t, r, request{path: "/api/v1/dlq/retry", body: body, token: token}).Items); n != 1 {
		t.Errorf("retry concerns %d, want 1", n)
	}
	if n := len(must[api.Items](t, r, request{path: "/api/v1/dlq/discard", body: `{"all": true}`, token: token}).Items); n != 1 {
		t.Errorf("discard concerns %d, want 1", n)
	}
	if n := len(must[api.Items](t, r, request{path: "/api/v1/dlq"}).Items); n != 0 {
		t.Errorf("%d dead letters are left, want 0", n)
	}
}

func TestFlowThatServesOthersAsksForItsToken(t *testing.T) {
	r := start(t, api.Options{Remote: true})
	r.client.CheckRedirect = nil
	cases := []struct {
		name   string
		ask    request
		status int
	}{
		{"livez is for everybody", request{path: "/livez"}, 200},
		{"readyz", request{path: "/readyz"}, 401},
		{"metrics", request{path: "/metrics"}, 401},
		{"the page", request{path: "/"}, 401},
		{"its feed", request{path: "/feed?screen=freshness"}, 401},
		{"the form that asks for the token", request{path: "/login"}, 200},
		{"what the form is drawn with", request{path: "/assets/console.css"}, 200},
		{"status", request{path: "/api/v1/status"}, 401},
		{"status with the token", request{path: "/api/v1/status", token: token}, 200},
		{"status under its public name", request{path: "/api/v1/status", token: token, host: "flow.example"}, 200},
		{"the page with the token as a password", request{path: "/", header: map[string]string{"Authorization": basic("anyone", token)}}, 200},
		{"the page with another password", request{path: "/", header: map[string]string{"Authorization": basic("anyone", "guessed")}}, 401},
	}
	for _, c := range cases {
		if status, _ := r.do(t, c.ask); status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, status, c.status)
		}
	}
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestChangesAndRowsAreStreamed(t *testing.T) {
	r := start(t, api.Options{})

	var change engine.ChangeEvent
	r.hear(t, "/api/v1/events", &change)
	if change.Event != "change" || change.Source != "docs" || change.Key != "billing.txt" || change.Upserts != 1 || change.FreshMS <= 0 {
		t.Errorf("change: %+v", change)
	}
	var row engine.TapRow
	r.hear(t, "/api/v1/tap?step=vectors", &row)
	if row.Event != "row" || row.Step != "vectors" || row.Key != "billing.txt" || !strings.Contains(string(row.Row), `"text":"again`) {
		t.Errorf("row: %+v", row)
	}
	for path, code := range map[string]string{"/api/v1/tap": "usage", "/api/v1/tap?step=vektors": "not_found"} {
		_, text := r.do(t, request{path: path})
		if _, fault := envelope[any](t, text); fault == nil || fault.Code != code || fault.Hint == "" {
			t.Errorf("%s: %s; want code %s and a hint", path, text, code)
		}
	}
}

// hear decodes the first event of a stream. A stream says that it lives before it listens, so changes are
// made until one is heard.
func (r *running) hear(t *testing.T, path string, event any) {
	t.Helper()
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := r.client.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if got := reply.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(reply.Body)
	if !lines.Scan() || lines.Text() != ": alive" {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	var wait sync.WaitGroup
	heard := make(chan struct{}) // closed when an event has come
	wait.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-heard:
				return
			default:
			}
			write(t, r.docs, "billing.txt", strings.Repeat("again ", 1+i%9))
			must[engine.Status](t, r, request{path: "/api/v1/status"})
		}
	})
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), event); err != nil {
				t.Error(err)
			}
			break
		}
	}
	close(heard)
	wait.Wait()
}

func TestServeEndsStreamsAndReturnsWhenTheLastRequestIsOver(t *testing.T) {
	r := start(t, api.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := r.api.Serve(ctx, l); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	reply, err := client.Get("http://" + l.Addr().String() + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	lines.Scan()
	stop()
	wait.Wait()
	for lines.Scan() {
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}
