package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// I10: doctor says of a stopped flow what its next run would find of its slot, with the command that mends it.
func TestDoctorHoldsTheSlotAgainstTheState(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text NOT NULL); INSERT INTO docs VALUES (1, 'a')")
	t.Setenv("PG_URL", db.DSN())
	flow := filepath.Join(t.TempDir(), "flow.yaml")
	declare := func(options string) {
		t.Helper()
		text := fmt.Sprintf("flow: %s\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {postgres: {dsn: \"${PG_URL}\", table: public.docs%s}}}\n"+
			"sinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n", db.Name, options)
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	says := func(exit int, words ...string) {
		t.Helper()
		code, _, said := verb(t, "doctor", flow)
		for _, w := range words {
			if code != exit || !strings.Contains(said, w) {
				t.Errorf("doctor: exit %d, want %d and %q: %s", code, exit, w, said)
			}
		}
	}
	declare("")
	says(exitOK, "the first run makes slot freshet_"+db.Name)
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	says(exitOK, "slot freshet_"+db.Name+" goes on behind ")
	declare(", slot: another_" + db.Name)
	says(exitDataGuard, `"code":"data_guard"`, "slot another_"+db.Name, "it is gone", "freshet reset "+flow+" --source docs --yes")
	if code, _, said := verb(t, "reset", flow, "--source", "docs", "--yes"); code != exitOK {
		t.Fatalf("reset: exit %d: %s", code, said)
	}
	says(exitOK, "the next run reads source docs again") // as a person has asked
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("run after the reset: exit %d: %s", code, said)
	}
	says(exitOK, "slot another_"+db.Name+" goes on behind ")
	declare(", on_slot_lost: resnapshot, slot: third_" + db.Name)
	says(exitOK, "the next run reads source docs again")
}

// What a running flow is asked ends as it does where the flow is stopped: with the same code and exit code.
func TestARunningFlowTellsTheSameFaultAsAStoppedOne(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	t.Setenv("PG_URL", db.DSN())
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	declare := func(source string) {
		t.Helper()
		text := "flow: asked\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: " + source + "}\nsinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n"
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan := func() {
		t.Helper()
		code, envelope, said := verb(t, "plan", flow)
		if told, _ := envelope["error"].(map[string]any); code != exitEnvironment || told["code"] != "no_table" || told["exit"] != nil {
			t.Errorf("plan: exit %d, want %d: %s", code, exitEnvironment, said)
		}
	}
	declare("{files: {path: ./docs}}")
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := serve(t, flow)
	declare("{postgres: {dsn: \"${PG_URL}\", table: public.nowhere}}")
	plan()
	s.stop()
	plan()
}

// Whoever has to mend a connection string sees where it leads, and nothing of its password. No service waits for that.
func TestADatabaseOrARoleThatThereIsNotIsNamed(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	absent := strings.Replace(db.DSNAs("postgres", "hunter-22"), "/"+db.Name, "/no_such_place", 1)
	flow := filepath.Join(t.TempDir(), "flow.yaml")
	for kind, text := range map[string]string{
		"source postgres": "flow: lost\nsources: {docs: {postgres: {dsn: \"${PG_URL}\", table: docs}}}\nsinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n",
		"sink postgres":   "flow: lost\nsources: {docs: {files: {path: .}}}\nsinks: {mirror: {from: docs, postgres: {dsn: \"${PG_URL}\"}}}\n",
		"sink pgvector": "flow: lost\nsources: {docs: {files: {path: .}}}\nsteps: {vectors: {from: docs, embed: {model: builtin, text: row.text}}}\n" +
			"sinks: {index: {from: vectors, pgvector: {dsn: \"${PG_URL}\"}}}\n",
	} {
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct{ dsn, code, message, hint string }{
			{absent, "no_database", "no_such_place", "`CREATE DATABASE \"no_such_place\"`"},
			{db.DSNAs("nobody_at_all", "hunter-22"), "access_denied", "role", "user and password"},
		} {
			t.Setenv("PG_URL", x.dsn)
			for _, words := range [][]string{{"doctor", flow}, {"run", flow, "--once"}, {"run", flow, "--addr", "127.0.0.1:0"}} {
				code, envelope, said := verb(t, words...)
				told, _ := envelope["error"].(map[string]any)
				message, _ := told["message"].(string)
				hint, _ := told["hint"].(string)
				if code != exitEnvironment || told["code"] != x.code || !strings.Contains(message, x.message) || !strings.Contains(hint, x.hint) || strings.Contains(said, "hunter") {
					t.Fatalf("%s: %s: exit %d: %s", kind, words[0], code, said) // a service would wait for ever
				}
			}
		}
	}
}

// A server that answers with a fault of its own, or asks for fewer requests, is not one that is away.
func TestDoctorTellsAServerThatAnswersFromOneThatIsAway(t *testing.T) {
	for status, hint := range map[int]string{http.StatusTooManyRequests: "fewer requests", http.StatusServiceUnavailable: "fault of its own"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		flow := filepath.Join(t.TempDir(), "flow.yaml")
		text := fmt.Sprintf("flow: d\nlimits: {disk_free: 1MiB}\nmodels: {m: {openai: {base_url: %q, model: small}, dims: 8}}\nsources: {docs: {files: {path: .}}}\n"+
			"steps: {vectors: {from: docs, embed: {model: m, text: row.text}}}\nsinks: {index: {from: vectors, vector: {}}}\n", server.URL)
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, said := verb(t, "doctor", flow); code != exitEnvironment || !strings.Contains(said, hint) {
			t.Errorf("%d: exit %d, without %s: %s", status, code, hint, said)
		}
		server.Close()
	}
}
