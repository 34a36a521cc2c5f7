package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// take takes the inventory of the schema public.
func take(t *testing.T, db *testenv.PostgresDatabase) *postgres.Inventory {
	t.Helper()
	found, err := postgres.TakeInventory(t.Context(), db.DSN(), "public")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Tables are told with their keys, and what hinders a source with what mends it.
func TestInventoryTellsWhichTablesCanBeRead(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
			db.Exec(t, `CREATE TABLE plain (b int, a int, v text, doubled int GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY (a, b));
				CREATE TABLE keyless (v text);
				CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);
				CREATE TABLE late_full (id int PRIMARY KEY DEFERRABLE); ALTER TABLE late_full REPLICA IDENTITY FULL;
				CREATE TABLE by_index (id int PRIMARY KEY, code text NOT NULL); CREATE UNIQUE INDEX codes ON by_index (code);
				ALTER TABLE by_index REPLICA IDENTITY USING INDEX codes;
				CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
				CREATE TABLE "Mixed Case" (id int PRIMARY KEY);
				CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
				CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
				CREATE VIEW seen AS SELECT * FROM plain; CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain;
				CREATE SCHEMA other; CREATE TABLE other.elsewhere (id int PRIMARY KEY)`)
			found := take(t, db)
			if found.Database != db.Name || found.Major != major {
				t.Errorf("database %s, version %d", found.Database, found.Major)
			}
			var got []string
			for _, x := range found.Tables {
				line := x.Table + " " + strings.Join(x.Key, ",")
				if x.Fault != nil {
					line += " " + x.Fault.Code + ": " + x.Fault.Hint
				}
				got = append(got, line)
			}
			want := []string{
				`public."Mixed Case" id`,
				`public.by_index  no_key: ALTER TABLE "public"."by_index" REPLICA IDENTITY DEFAULT`,
				`public.fleeting id not_logged: ALTER TABLE "public"."fleeting" SET LOGGED`,
				`public.keyless  no_key: ALTER TABLE "public"."keyless" ADD PRIMARY KEY (…), or ALTER TABLE "public"."keyless" REPLICA IDENTITY USING INDEX …`,
				`public.late  no_key: ALTER TABLE "public"."late" REPLICA IDENTITY FULL`,
				"public.late_full id",
				"public.parted id",
				"public.plain a,b",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the tables differ (-want +got):\n%s", diff)
			}
			// Each that it lets pass is one that the source takes.
			for _, x := range found.Tables {
				if _, err := source(t, options(db, x.Table)).Collections(t.Context()); (err == nil) != (x.Fault == nil) {
					t.Errorf("the source says of %s: %v", x.Table, err)
				}
			}
		})
	}
}

// widths are those of the columns of a table, by name.
func widths(in *postgres.Inventory, table string) map[string]int {
	widths := map[string]int{}
	for _, x := range in.Tables {
		for _, c := range x.Columns {
			if x.Name == table {
				widths[c.Name] = int(c.Width)
			}
		}
	}
	return widths
}

// How long texts are is known with and without statistics, in the row and out of line.
func TestInventoryMeasuresTexts(t *testing.T) {
	const rows = `SELECT i, repeat('a', 50), CASE WHEN i % 10 > 0 THEN (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j) ELSE 'short' END, 7, NULL
		FROM generate_series(1, 100) i`
	const columns = "(id int, label varchar(60), body text, n int, never text, PRIMARY KEY (id))"
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
			db.Exec(t, "CREATE TABLE fresh "+columns+"; INSERT INTO fresh "+rows)
			db.Exec(t, "CREATE TABLE known "+columns+"; INSERT INTO known "+rows+"; ANALYZE known")
			db.Exec(t, "CREATE TABLE parted "+columns+" PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000); INSERT INTO parted "+rows)
			db.Exec(t, "CREATE TABLE bare "+columns)
			db.Exec(t, "CREATE TABLE brief (id int PRIMARY KEY, label text); INSERT INTO brief SELECT i, 'twelve bytes' FROM generate_series(1, 9) i; ANALYZE brief")
			found := take(t, db)
			for table, want := range map[string]map[string]int{
				"fresh":  {"id": 0, "label": 50, "body": 5760, "n": 0, "never": 0},
				"known":  {"id": 4, "label": 50, "body": 5760, "n": 4, "never": 0},
				"parted": {"id": 0, "label": 50, "body": 5760, "n": 0, "never": 0},
				"bare":   {"id": 0, "label": 0, "body": 0, "n": 0, "never": 0},
				"brief":  {"id": 4, "label": 13}, // with the byte that says how long it is
			} {
				if diff := cmp.Diff(want, widths(found, table)); diff != "" {
					t.Errorf("table %s (-want +got):\n%s", table, diff)
				}
			}
		})
	}
}

// A table that somebody has locked holds up nobody: its texts stay unmeasured, its rows uncounted.
func TestInventoryDoesNotWaitForLocks(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE busy (id int PRIMARY KEY, body text); INSERT INTO busy VALUES (1, repeat('a', 100))")
	db.Exec(t, "CREATE TABLE free (id int PRIMARY KEY, body text); INSERT INTO free VALUES (1, repeat('a', 100))")
	holder := db.Connect(t)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE busy IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	found := take(t, db)
	got := []int{widths(found, "busy")["body"], widths(found, "free")["body"]}
	if diff := cmp.Diff([]int{0, 100}, got); diff != "" {
		t.Errorf("widths (-want +got):\n%s", diff)
	}
	var rows []float64
	for _, x := range found.Tables {
		rows = append(rows, x.Rows)
	}
	if diff := cmp.Diff([]float64{-1, 1}, rows); diff != "" {
		t.Errorf("rows of the busy table and the free one, which nobody has analysed (-want +got):\n%s", diff)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Texts are what people write; enums and types that are just read as text are none.
func TestInventoryKnowsTexts(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, `CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN prose AS varchar(80);
		CREATE TABLE kinds (id int PRIMARY KEY, a text, b varchar, c varchar(10), d char(3), e mood, f prose, g text[], h tsvector, i interval, j jsonb, k name)`)
	var got []string
	for _, c := range take(t, db).Tables[0].Columns {
		got = append(got, fmt.Sprintf("%s text=%v whole=%v limit=%d", c.Name, c.Text, c.Whole, c.Limit))
	}
	want := []string{
		"id text=false whole=true limit=0", "a text=true whole=true limit=0", "b text=true whole=true limit=0", "c text=true whole=true limit=10",
		"d text=true whole=true limit=3", "e text=false whole=true limit=0", "f text=true whole=true limit=80", "g text=false whole=false limit=0",
		"h text=false whole=false limit=0", "i text=false whole=false limit=0", "j text=false whole=true limit=0", "k text=false whole=true limit=0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the columns differ (-want +got):\n%s", diff)
	}
}

// A connection string that cannot be read is not repeated: where it is torn may be within the password.
func TestInventoryRepeatsNoConnectionString(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter/2@127.0.0.1:5432/db", "postgres://u:1/hunter@127.0.0.1:5432/db",
		"postgres://u:hunter%2@127.0.0.1/db", "postgres://u:hunter@127.0.0.1:x/db",
		"mysql://u:hunter@127.0.0.1/db", "host=127.0.0.1 password='hunter", "postgres://u:hunter@[::1/db",
	} {
		_, err := postgres.TakeInventory(t.Context(), dsn, "public")
		var option *cdc.OptionError
		if !errors.As(err, &option) || option.Option != "dsn" {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if said := option.Error() + option.Hint; strings.Contains(said, "hunter") {
			t.Errorf("%s: %s", dsn, said)
		}
	}
}
