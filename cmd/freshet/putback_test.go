package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// I10: a state that was put back is behind its slot and behind its sinks. The run ends before a sink is written from it.
func TestAStateThatWasPutBackWritesNothing(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs SELECT i, 'first ' || i FROM generate_series(1, 20) i")
	dir := t.TempDir()
	flow, state, log := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, "state"), filepath.Join(dir, "out.jsonl")
	text := fmt.Sprintf("flow: %s\nlimits: {disk_free: 1MiB}\nsources: {docs: {postgres: {dsn: %q, table: public.docs}}}\nsinks: {log: {from: docs, jsonl: {path: ./out.jsonl}}}\n",
		strings.ReplaceAll(db.Name, "_", "-"), db.DSN())
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func() (int, map[string]any, string) { return verb(t, "run", flow, "--once", "--state", state) }
	if code, _, said := run(); code != exitOK {
		t.Fatalf("the first run: exit %d: %s", code, said)
	}
	if err := os.CopyFS(state+".old", os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "UPDATE docs SET body = 'second' WHERE id < 5; DELETE FROM docs WHERE id = 6")
	if code, _, said := run(); code != exitOK {
		t.Fatalf("the second run: exit %d: %s", code, said)
	}
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(state+".old", state); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, said := run(); code != exitDataGuard || !strings.Contains(said, "`freshet reset "+flow+" --source docs --yes`") {
		t.Errorf("the run over the old state: exit %d: %s", code, said)
	}
	if after, err := os.ReadFile(log); err != nil || string(after) != string(before) {
		t.Errorf("%d bytes were written before the run ended: %v", len(after)-len(before), err)
	}
	if code, _, said := verb(t, "drop", flow, "--yes", "--state", state); code != exitOK {
		t.Errorf("drop: exit %d: %s", code, said)
	}
}
