package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
)

// A plan tells of rows that a first read has left, of rows that are read again, and of a run that cannot begin: none of it is a flow
// with nothing to do.
func TestAPlanTellsWhatIsLeftToRead(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs SELECT i, 'text ' || i FROM generate_series(1, 50) i; ANALYZE docs")
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	name := strings.ReplaceAll(db.Name, "_", "-")
	write := func(free string) {
		t.Helper()
		text := fmt.Sprintf("flow: %s\nlimits: {disk_free: %s}\nsources: {docs: {postgres: {dsn: %q, table: public.docs}}}\n"+
			"steps: {vectors: {from: docs, embed: {model: builtin, text: row.body}}}\nsinks: {index: {from: vectors, vector: {}, columns: [body]}}\n", name, free, db.DSN())
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	planned := func(texts ...string) {
		t.Helper()
		code, _, said := verb(t, "plan", flow)
		for _, text := range texts {
			if code != exitOK || !strings.Contains(said, text) {
				t.Errorf("plan: exit %d, without %s: %s", code, text, said)
			}
		}
	}
	write("900TiB")
	if code, _, said := verb(t, "run", flow, "--once"); code != exitDisk {
		t.Fatalf("run without space: exit %d: %s", code, said)
	}
	write("1MiB")
	planned(`"calls":50`, `"about":true`, `"upserts":50`, `"exact":false`)
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	planned(`"calls":0`, `"upserts":0`, `"exact":true`, "What has changed at the sources since the last run comes on top")
	if code, _, said := verb(t, "backfill", flow, "docs"); code != exitOK {
		t.Fatalf("backfill: exit %d: %s", code, said)
	}
	planned("reads every row of source docs again")
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	db.Exec(t, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
	planned("with exit 10", "is gone")
	if code, _, said := verb(t, "drop", flow, "--yes"); code != exitOK {
		t.Errorf("drop: exit %d: %s", code, said)
	}
}
