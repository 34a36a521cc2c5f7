package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/statestore"
)

// The way out of exit 21 that its hint names is one: a damaged state is dropped with the slot that it keeps, and not while a process has it.
func TestADamagedStateIsDropped(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs VALUES (1, 'first')")
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, "state")
	text := fmt.Sprintf("flow: %s\nlimits: {disk_free: 1MiB}\nsources: {docs: {postgres: {dsn: %q, table: public.docs}}}\nsinks: {copies: {from: docs, postgres: {dsn: %q, table: copies}}}\n",
		strings.ReplaceAll(db.Name, "_", "-"), db.DSN(), db.DSN())
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(words ...string) (int, string) {
		var out, errs bytes.Buffer
		code := execute(append(words, "--state", state), &out, &errs)
		return code, out.String() + errs.String()
	}
	slots := "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
	for _, damaged := range []string{"VERSION", "state/SEAL", "memo/SEAL"} {
		if code, said := run("run", flow, "--once"); code != exitOK {
			t.Fatalf("run: exit %d: %s", code, said)
		}
		held, err := statestore.Open(state, statestore.DBOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(state, damaged)
		if err := os.WriteFile(path, []byte("no"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, said := run("drop", flow, "--yes"); code != exitEnvironment || db.Text(t, slots) != "1" {
			t.Errorf("%s: drop while somebody has the state: exit %d, %s slots are left: %s", damaged, code, db.Text(t, slots), said)
		}
		if err := held.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("no"), 0o600); err != nil { // closing has written the seal
			t.Fatal(err)
		}
		code, said := run("run", flow, "--once")
		if code != exitCorrupt || !strings.Contains(said, "`freshet drop "+flow) {
			t.Errorf("%s: run: exit %d: %s", damaged, code, said)
		}
		if code, said := run("drop", flow, "--yes"); code != exitOK || !strings.Contains(said, "the state is damaged") {
			t.Errorf("%s: drop: exit %d: %s", damaged, code, said)
		}
		if got := db.Text(t, slots); got != "0" {
			t.Errorf("%s: %s slots are left after drop", damaged, got)
		}
		if _, err := os.Stat(state); !os.IsNotExist(err) {
			t.Errorf("%s: the state is left: %v", damaged, err)
		}
	}
}
