package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// What a stopped flow knows is told although its servers are away, with what could not be asked. What only they know is not.
func TestAStoppedFlowAnswersWhileItsServersAreAway(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE TABLE docs (id int PRIMARY KEY, body varchar(90), price numeric(10,2), mood mood); INSERT INTO docs VALUES (7, 'Invoices are sent', 1.5, 'bad'), (8, 'POISON', 2, 'fine')")
	t.Setenv("PG_URL", db.DSN())
	model := newModelServer()
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	text := fmt.Sprintf("flow: %s\nlimits: {disk_free: 1MiB}\nmodels: {embedder: {openai: {base_url: %q, model: small, api_key: %s}}}\n"+
		"sources: {docs: {postgres: {dsn: \"${PG_URL}\", table: public.docs}}}\nsteps: {vectors: {from: docs, embed: {model: embedder, text: row.body}}}\n"+
		"sinks: {copies: {from: docs, postgres: {dsn: \"${PG_URL}\", table: copies}}, index: {from: vectors, vector: {}, columns: [body]}}\n",
		strings.ReplaceAll(db.Name, "_", "-"), model.URL, modelKey)
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := verb(t, "run", flow, "--once"); code != exitRunTime || !strings.Contains(said, "dead_letters") {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	asked := [][]string{{"status", flow}, {"dlq", "ls", flow}, {"lineage", flow, "docs/7"}, {"lineage", flow, "index/7"}}
	before := make([]map[string]any, len(asked))
	for i, words := range asked {
		_, before[i], _ = verb(t, words...)
	}
	t.Setenv("PG_URL", "postgres://postgres@"+freePort(t)+"/nowhere")
	for _, away := range []string{"database", "model"} {
		for i, words := range asked {
			code, envelope, said := verb(t, words...)
			if code != exitOK || !strings.Contains(said, "not asked") {
				t.Errorf("%s, without the %s: exit %d: %s", words, away, code, said)
				continue
			}
			was, _ := before[i]["data"].(map[string]any)
			is, _ := envelope["data"].(map[string]any)
			for name, value := range was {
				if name != "reasons" && name != "models" && fmt.Sprint(is[name]) != fmt.Sprint(value) {
					t.Errorf("%s, without the %s: %s is %v, and was %v", words, away, name, is[name], value)
				}
			}
		}
		reason := map[string]string{"database": "source_unavailable", "model": "model_unavailable"}[away]
		if code, _, said := verb(t, "status", flow); !strings.Contains(said, `"reasons":[{"code":"`+reason) {
			t.Errorf("status, without the %s: exit %d: %s", away, code, said)
		}
		if code, _, said := verb(t, "plan", flow); code != exitEnvironment {
			t.Errorf("plan, without the %s: exit %d: %s", away, code, said)
		}
		model.Close()
	}
	t.Setenv("PG_URL", db.DSN())
	if code, _, said := verb(t, "drop", flow, "--yes"); code != exitOK {
		t.Errorf("drop: exit %d: %s", code, said)
	}
}

// A flow that waits to begin is asked as a stopped one is: its state answers, and why it waits is said. Who waits for a position waits
// for the flow.
func TestAFlowThatWaitsToBeginAnswersFromItsState(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs VALUES (7, 'Invoices are sent')")
	server := testenv.NewProxy(t, db.Server.Addr())
	t.Setenv("PG_URL", strings.Replace(db.DSN(), db.Server.Addr(), server.Addr(), 1))
	flow := filepath.Join(t.TempDir(), "flow.yaml")
	text := fmt.Sprintf("flow: %s\nlimits: {disk_free: 1MiB}\nsources: {docs: {postgres: {dsn: \"${PG_URL}\", table: public.docs}}}\n"+
		"sinks: {log: {from: docs, jsonl: {path: ./out.jsonl}}}\n", strings.ReplaceAll(db.Name, "_", "-"))
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	server.Refuse()
	running := serve(t, flow)
	state := filepath.Join(filepath.Dir(flow), ".freshet", strings.ReplaceAll(db.Name, "_", "-"))
	if said, ok := comesToSay(state, "/readyz", "the flow waits to begin"); !ok {
		t.Fatal(said)
	}
	if code, _, said := verb(t, "status", flow); code != exitOK || !strings.Contains(said, `"state":"waiting"`) || !strings.Contains(said, `"code":"source_unavailable","message":"the flow waits`) {
		t.Errorf("status: exit %d: %s", code, said)
	}
	for _, words := range [][]string{{"lineage", flow, "docs/7"}, {"dlq", "ls", flow}, {"top", flow, "--once"}} {
		if code, _, said := verb(t, words...); code != exitOK {
			t.Errorf("%s: exit %d: %s", words, code, said)
		}
	}
	if code, _, said := verb(t, "status", flow, "--wait", "docs=0/1", "--timeout", "200ms"); code != exitEnvironment || !strings.Contains(said, "tried again by itself") {
		t.Errorf("status --wait that ends too soon: exit %d: %s", code, said)
	}
	server.Heal()
	if code, _, said := verb(t, "status", flow, "--wait", "docs=0/1", "--timeout", "20s"); code != exitOK || !strings.Contains(said, `"state":"running"`) {
		t.Errorf("status --wait when the server is back: exit %d: %s", code, said)
	}
	running.stop()
	if code, _, said := verb(t, "drop", flow, "--yes"); code != exitOK {
		t.Errorf("drop: exit %d: %s", code, said)
	}
}
