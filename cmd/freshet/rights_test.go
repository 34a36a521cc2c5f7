package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// A target that begins to refuse the flow is named as an opening would name it, with what a person has to do. When that is
// done the flow goes on by itself.
func TestASinkThatRefusesARunningFlowSaysWhatAPersonHasToDo(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	role := db.Name // roles are shared by the databases of a server
	command := func(text string) { db.Exec(t, strings.ReplaceAll(text, "%s", role)) }
	command("CREATE ROLE %s LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO %s")
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "refused")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("flow.yaml", "flow: refused\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {files: {path: ./docs}}}\n"+
		"sinks: {copies: {from: docs, postgres: {dsn: \""+db.DSNAs(role, "")+"\", table: copies}, columns: [path, text]}}\n")
	write("docs/0.txt", "it is there at the start")
	serve(t, flow)
	says := func(path, text string) {
		t.Helper()
		if said, ok := comesToSay(state, path, text); !ok {
			t.Fatalf("%s does not come to say %q: %s", path, text, said)
		}
	}
	says("/readyz", `"ready":true`)
	for i, c := range []struct{ refuse, mend, code, hint string }{
		{"REVOKE ALL ON copies FROM %s", "GRANT ALL ON copies TO %s", "rights", "grant the role what it lacks"},
		{"ALTER ROLE %s NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", "ALTER ROLE %s LOGIN", "access_denied",
			"check user and password in the dsn"},
	} {
		command(c.refuse)
		write(fmt.Sprintf("docs/%d.txt", i+1), c.code)
		says("/readyz", "a person has to act: "+c.hint)
		says("/readyz", "sink copies: "+c.code+": ")
		var said bytes.Buffer
		if code := execute([]string{"status", flow}, &said, &said); code != exitOK || !strings.Contains(said.String(), "sink_unavailable: sink copies: "+c.code+": ") ||
			!strings.Contains(said.String(), "a person has to act: "+c.hint) {
			t.Errorf("status exits %d and says %s", code, said.String())
		}
		command(c.mend)
		says("/readyz", `"ready":true`)
		if got := db.Text(t, fmt.Sprintf("SELECT text FROM copies WHERE path = '%d.txt'", i+1)); got != c.code {
			t.Errorf("when it is mended the row is %q, want %q", got, c.code)
		}
	}
}

// I10: a table that somebody drops under a flow with nothing to write is there again, with its rows.
func TestATableThatIsDroppedUnderAnIdleFlowIsWrittenAgain(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "idle")
	text := "flow: idle\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {files: {path: ./docs}}}\n" +
		"sinks: {copies: {from: docs, postgres: {dsn: \"" + db.DSN() + "\", table: copies}, columns: [path, text]}}\n"
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"flow.yaml": text, "docs/0.txt": "it is there"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, flow)
	if said, ok := comesToSay(state, "/readyz", `"ready":true`); !ok {
		t.Fatal(said)
	}
	db.Exec(t, "DROP TABLE copies")
	db.Exec(t, `DO $$ DECLARE n int := 0; BEGIN FOR i IN 1..400 LOOP
		IF to_regclass('copies') IS NOT NULL THEN EXECUTE 'SELECT count(*) FROM copies' INTO n; END IF;
		EXIT WHEN n > 0; PERFORM pg_sleep(0.05); END LOOP; END $$`)
	if got := db.Text(t, "SELECT text FROM copies"); got != "it is there" {
		t.Errorf("the table has %q", got)
	}
	s.stop()
}
