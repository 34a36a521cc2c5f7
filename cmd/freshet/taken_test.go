package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// I3: who cannot have the source leaves the sinks to the process that has it.
func TestAProcessThatCannotHaveTheSourceTakesNoSink(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs VALUES (1, 'first')")
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", strings.ReplaceAll(db.Name, "_", "-"))
	text := fmt.Sprintf("flow: %s\nlimits: {disk_free: 1MiB}\nsources: {docs: {postgres: {dsn: %q, table: public.docs}}}\nsinks: {copies: {from: docs, postgres: {dsn: %q, table: copies}}}\n",
		filepath.Base(state), db.DSN(), db.DSN())
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	first := serve(t, flow)
	if said, ok := comesToSay(state, "/readyz", `"ready":true`); !ok {
		t.Fatal(said)
	}
	// It is ready once it has the table, and begins to read the slot behind that.
	db.Exec(t, "UPDATE docs SET body = 'streamed'")
	if said, ok := comesToSay(state, "/api/v1/status", `"upserts_total":2`); !ok {
		t.Fatal(said)
	}
	other := filepath.Join(dir, "other")
	if code, envelope, said := verb(t, "run", flow, "--once", "--state", other); code != exitEnvironment || !strings.Contains(said, "source_in_use") {
		t.Errorf("a second process over a fresh state: exit %d, %v: %s", code, envelope, said)
	}
	if code, _, said := verb(t, "doctor", flow, "--state", other); code != exitEnvironment || !strings.Contains(said, "source_in_use") {
		t.Errorf("doctor of a fresh state: exit %d: %s", code, said)
	}
	db.Exec(t, "UPDATE docs SET body = 'second'")
	if said, ok := comesToSay(state, "/api/v1/status", `"upserts_total":3`); !ok {
		t.Errorf("the first process does not go on: %s", said)
	}
	first.stop()
	if code, _, said := verb(t, "run", flow, "--once", "--state", other); code != exitOK {
		t.Errorf("when the first has ended: exit %d: %s", code, said)
	}
	leave := func(state string) {
		t.Helper()
		if code, _, said := verb(t, "drop", flow, "--yes", "--state", state); code != exitOK {
			t.Errorf("drop: exit %d: %s", code, said)
		}
		if got := db.Text(t, "SELECT count(*) FROM freshet_progress"); got != "0" {
			t.Errorf("%s records are left after drop", got)
		}
	}
	leave(other)
	// I3: rows that nobody remembers are older than what a new state writes.
	db.Exec(t, "UPDATE docs SET body = 'third'")
	third := filepath.Join(dir, "third")
	if code, _, said := verb(t, "run", flow, "--once", "--state", third); code != exitOK {
		t.Errorf("after drop: exit %d: %s", code, said)
	}
	if got := db.Text(t, "SELECT body FROM copies"); got != "third" {
		t.Errorf("the copy has %q", got)
	}
	leave(third)
}

// The same of an address that rows are pushed to.
func TestAProcessThatCannotListenTakesNoSink(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	text := fmt.Sprintf("flow: pushed\nlimits: {disk_free: 1MiB}\nsources: {docs: {http: {listen: %q, key: id, schema: {id: int}}}}\nsinks: {log: {from: docs, jsonl: {path: ./out.jsonl}}}\n", l.Addr())
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := verb(t, "run", flow, "--once"); code != exitEnvironment || !strings.Contains(said, "address_in_use") {
		t.Errorf("exit %d: %s", code, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "out.jsonl")); err == nil {
		t.Error("the sink was opened")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
