package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// present is what a source of its own reads of the tables as they stand.
func present(t *testing.T, o postgres.Options) map[string]string {
	t.Helper()
	o.Slot, o.Publication = postgres.SlotName(o.Slot+"_now"), o.Publication+"_now"
	in := cdctest.NewInlet()
	s := source(t, o)
	if err := once(t, s, in, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return folded(t, in.Puts())
}

// big is a text that Postgres stores out of line, different for each seed.
func big(seed string) string {
	return fmt.Sprintf("(SELECT string_agg(md5(%s || j), '') FROM generate_series(1, 200) j)", literal(seed))
}

const docs = `CREATE TABLE docs (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, body text, note text);
ALTER TABLE docs ALTER body SET STORAGE EXTERNAL;`

// scenarios are changes whose outcome the stream has to tell; each begins with rows that the snapshot reads.
func scenarios() []struct{ name, setup, steps string } {
	three := func(table string) string {
		return fmt.Sprintf("INSERT INTO %s SELECT i, i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j), 'x' FROM generate_series(1, 12) i;", table)
	}
	toast := `UPDATE docs SET n = n + 1 WHERE id <= 3;
UPDATE docs SET id = id + 100 WHERE id IN (3, 4);
BEGIN; INSERT INTO docs VALUES (30, 0, ` + big("a") + `, ''); UPDATE docs SET n = 1 WHERE id = 30; UPDATE docs SET id = 31 WHERE id = 30; COMMIT;
BEGIN; UPDATE docs SET body = ` + big("b") + ` WHERE id = 5; UPDATE docs SET n = 9 WHERE id = 5; COMMIT; UPDATE docs SET n = 10 WHERE id = 5;
UPDATE docs SET body = NULL WHERE id = 6; UPDATE docs SET n = 3 WHERE id = 6; UPDATE docs SET body = ` + big("c") + ` WHERE id = 6;
DELETE FROM docs WHERE id = 7; UPDATE docs SET note = NULL;`
	return []struct{ name, setup, steps string }{
		{"11 TOAST with the default identity", docs + three("docs"), toast},
		{"11 TOAST with the full identity", docs + "ALTER TABLE docs REPLICA IDENTITY FULL;" + three("docs"), toast},
		{"11 TOAST with an index as identity", docs + "CREATE UNIQUE INDEX other ON docs (id, n); ALTER TABLE docs REPLICA IDENTITY USING INDEX other;" + three("docs"), toast},
		{"12 the identity changes in the stream", docs + three("docs"), `UPDATE docs SET n = 1 WHERE id = 1; ALTER TABLE docs REPLICA IDENTITY FULL;
UPDATE docs SET n = 2 WHERE id = 1; DELETE FROM docs WHERE id = 2; UPDATE docs SET id = 50 WHERE id = 3; ALTER TABLE docs REPLICA IDENTITY DEFAULT;
UPDATE docs SET n = 3 WHERE id = 1; UPDATE docs SET id = 51 WHERE id = 4; DELETE FROM docs WHERE id = 5;`},
		{"13 keys move along a chain and come back", docs + three("docs"), `BEGIN; UPDATE docs SET id = 1000 WHERE id = 1; UPDATE docs SET id = 1 WHERE id = 2;
UPDATE docs SET id = 2 WHERE id = 1000; COMMIT; UPDATE docs SET id = -id; UPDATE docs SET id = -id;`},
		{"13 keys are swapped under a deferrable constraint", `CREATE TABLE docs (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int, body text, note text);
ALTER TABLE docs REPLICA IDENTITY FULL; ALTER TABLE docs ALTER body SET STORAGE EXTERNAL;` + three("docs"), `BEGIN; UPDATE docs SET id = 2 WHERE n = 1; UPDATE docs SET id = 1 WHERE n = 2; COMMIT;
UPDATE docs SET id = 13 - id; UPDATE docs SET id = id + 1; BEGIN; UPDATE docs SET id = 5 WHERE n = 3; DELETE FROM docs WHERE id = 5 AND n <> 3; COMMIT;
BEGIN; INSERT INTO docs VALUES (6, 600, 'moved in', ''); UPDATE docs SET body = 'still there' WHERE id = 6 AND n <> 600; DELETE FROM docs WHERE id = 6 AND n <> 600; COMMIT;`},
		{"14 TRUNCATE between inserts of one transaction", docs + "CREATE TABLE refs (id int PRIMARY KEY, doc int REFERENCES docs); INSERT INTO docs SELECT i FROM generate_series(1, 5) i; INSERT INTO refs VALUES (1, 1);",
			`BEGIN; INSERT INTO docs VALUES (10); TRUNCATE docs RESTART IDENTITY CASCADE; INSERT INTO docs VALUES (11), (1); COMMIT; INSERT INTO docs VALUES (12);`},
		{"15 what is rolled back to a savepoint does not appear", docs + three("docs"), `BEGIN; UPDATE docs SET note = 'kept' WHERE id = 1; SAVEPOINT a; UPDATE docs SET note = 'never'; SAVEPOINT b;
DELETE FROM docs; ROLLBACK TO b; ROLLBACK TO a; INSERT INTO docs VALUES (20, 1); SAVEPOINT c; INSERT INTO docs VALUES (21, 1); RELEASE c; COMMIT;
BEGIN; DELETE FROM docs; ROLLBACK;`},
		{"19 columns come, go and change within transactions", docs + three("docs"), `BEGIN; INSERT INTO docs VALUES (20, 1, 'before', ''); ALTER TABLE docs ADD extra int DEFAULT 7; INSERT INTO docs VALUES (21, 1, 'after', '', 8); COMMIT;
UPDATE docs SET n = 99 WHERE id = 20; ALTER TABLE docs DROP extra; UPDATE docs SET n = 100 WHERE id = 21; ALTER TABLE docs ADD extra text; INSERT INTO docs VALUES (22, 1, 'more', '', 'e');`},
		{"21 rows move between partitions whose columns stand in another order", `CREATE TABLE docs (id int, n int, body text, note text, PRIMARY KEY (id, n)) PARTITION BY LIST (n);
CREATE TABLE docs_1 PARTITION OF docs FOR VALUES IN (1); CREATE TABLE docs_2 (note text, body text, n int NOT NULL, id int NOT NULL, PRIMARY KEY (id, n));
ALTER TABLE docs ATTACH PARTITION docs_2 FOR VALUES IN (2); INSERT INTO docs SELECT i, 1 + i % 2, 'b' || i, 'n' || i FROM generate_series(1, 10) i;`,
			`UPDATE docs SET n = 2 WHERE id < 4; UPDATE docs SET body = 'x' WHERE id = 5; DELETE FROM docs WHERE id = 6; INSERT INTO docs VALUES (20, 1, 'a', 'b'), (21, 2, 'a', 'b');
CREATE TABLE docs_3 PARTITION OF docs FOR VALUES IN (3) PARTITION BY RANGE (id); CREATE TABLE docs_3a PARTITION OF docs_3 FOR VALUES FROM (0) TO (1000);
INSERT INTO docs VALUES (30, 3, 'deep', ''); UPDATE docs SET n = 3 WHERE id = 20;`},
	}
}

// TestScenariosOfTheStream proves cases 11 to 15, 19 and 21: rows at the end are those of the table (I4, I6).
func TestScenariosOfTheStream(t *testing.T) {
	for _, x := range scenarios() {
		t.Run(x.name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, x.setup)
			o := options(db, "docs")
			o.Tables[0].Columns = []string{"id", "n", "body", "note"}
			in := cdctest.NewInlet()
			live := begin(t, source(t, o), in, nil)
			live.caught()
			db.Exec(t, x.steps)
			want := present(t, o)
			live.reach(db)
			if diff := cmp.Diff(want, folded(t, in.Puts())); diff != "" {
				t.Error(diff)
			}
			live.end()

			// The same changes once more, all of them read after a restart.
			again := cdctest.NewInlet()
			o.Slot, o.Publication = o.Slot+"_2", o.Publication+"_2"
			if err := once(t, source(t, o), again, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, folded(t, again.Puts())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A row that moves to another key says from which one it comes, and leaves out what was not sent: what stands in the table when
// the log is read may be of a later transaction, or another row (I11).
func TestScenario_11_AMovedRowIsNotReadFromTheTable(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, docs+"INSERT INTO docs SELECT i, 0, "+big("a")+" || i FROM generate_series(1, 3) i")
	o := options(db, "docs")
	in := firstRead(t, o)
	released(t, db, o.Slot)
	seen := len(in.Puts())
	db.Exec(t, "UPDATE docs SET id = 101 WHERE id = 1; UPDATE docs SET body = 'of a later transaction' WHERE id = 101")
	db.Exec(t, "UPDATE docs SET id = 102 WHERE id = 2; DELETE FROM docs WHERE id = 102; INSERT INTO docs VALUES (102, 9, 'another row')")
	db.Exec(t, "UPDATE docs SET id = 103 WHERE id = 3; UPDATE docs SET id = 203 WHERE id = 103")
	if err := once(t, source(t, o), in, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range in.Puts()[seen:] {
		said := fmt.Sprint(p.Op, " ", p.Key.Text())
		if len(p.From) > 0 {
			said += " from " + p.From.Text()
		}
		if len(p.After) > 0 && p.After.At(2).State == cdc.Unchanged {
			said += " without its body"
		}
		got = append(got, said)
	}
	want := []string{"insert 101 from 1 without its body", "delete 1", "update 101", "insert 102 from 2 without its body", "delete 2", "delete 102", "insert 102",
		"insert 103 from 3 without its body", "delete 3", "insert 203 from 103 without its body", "delete 103"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(present(t, o), folded(t, in.Puts())); diff != "" {
		t.Error(diff)
	}
}
