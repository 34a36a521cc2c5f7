package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// session runs statements in one session.
func session(t *testing.T, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := c.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestTransactionsThatAreSentBeforeTheyCommit proves case 15: interleaved large transactions, rolled back to
// savepoints, wholly, or after their table has changed, end as the table does (I11).
func TestTransactionsThatAreSentBeforeTheyCommit(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
			db.Exec(t, docs+"ALTER DATABASE "+db.Name+" SET logical_decoding_work_mem = '64kB';")
			o := options(db, "docs")
			o.SpillDir = t.TempDir()
			in := cdctest.NewInlet()
			live := begin(t, source(t, o), in, nil)
			live.caught()
			fill := func(from, to int, note string) string {
				return fmt.Sprintf("INSERT INTO docs SELECT i, 0, repeat(md5(i::text), 5), '%s' FROM generate_series(%d, %d) i", note, from, to)
			}
			one, two, three := db.Connect(t), db.Connect(t), db.Connect(t)
			session(t, one, "BEGIN", fill(1, 3000, "never"))
			session(t, two, "BEGIN", fill(10_001, 12_000, "kept"), "SAVEPOINT a", fill(12_001, 14_000, "never"), "SAVEPOINT b",
				"UPDATE docs SET note = 'never' WHERE id < 11000", fill(14_001, 16_000, "never"), "ROLLBACK TO b", fill(16_001, 18_000, "never"))
			session(t, three, "INSERT INTO docs VALUES (1000000, 1, 'between', 'kept')")
			live.reach(db)
			if got := folded(t, in.Puts()); len(got) != 1 {
				t.Errorf("%d rows while the large transactions are open, want 1", len(got))
			}
			session(t, two, "ROLLBACK TO a", fill(12_001, 12_500, "kept"), "DELETE FROM docs WHERE id = 10001")
			session(t, one, "ROLLBACK") // frees the table
			session(t, two, "ALTER TABLE docs ADD extra int DEFAULT 3",
				fill(20_001, 23_000, "with a column more"), "COMMIT")
			now := o
			now.Tables = slices.Clone(o.Tables)
			now.Tables[0].Columns = []string{"id", "n", "body", "note"}
			live.reach(db)
			if diff := cmp.Diff(present(t, now), folded(t, in.Puts())); diff != "" {
				t.Error(diff)
			}
			session(t, three, "UPDATE docs SET n = 5 WHERE id = 10002", "BEGIN", fill(30_001, 34_000, "kept"), "TRUNCATE docs", fill(30_001, 33_000, "again"), "COMMIT")
			live.reach(db)
			sent := db.Text(t, "SELECT stream_txns > 1 AND stream_bytes > 0 FROM pg_stat_replication_slots WHERE slot_name = '"+o.Slot+"'")
			live.end()
			if diff := cmp.Diff(present(t, now), folded(t, in.Puts())); diff != "" {
				t.Error(diff)
			}
			if sent != "t" {
				t.Errorf("the server has sent no transaction before its commit: %s", db.Text(t, "SELECT * FROM pg_stat_replication_slots"))
			}
		})
	}
}
