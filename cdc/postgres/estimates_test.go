package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/internal/testenv"
)

// The catalog says about how many rows there are, also of a table in parts; a table that it knows nothing of is
// counted. Nothing is made to ask.
func TestRowsAreEstimatedByTheCatalog(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(1200)+`CREATE TABLE "Odd name" (id uuid PRIMARY KEY, total numeric(10,2));
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO parts SELECT generate_series(1, 300); ANALYZE;
CREATE TABLE "New ""one""" (id int PRIMARY KEY); INSERT INTO "New ""one""" SELECT generate_series(1, 70);`)
	all, err := source(t, options(db, "docs", "parts", `"Odd name"`, `"New ""one"""`)).Estimates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var rows []int64
	for _, e := range all {
		rows = append(rows, e.Rows)
		if e.Bytes < e.Rows || e.Rows == 0 && e.Bytes != 0 {
			t.Errorf("%d bytes are estimated of %d rows", e.Bytes, e.Rows)
		}
	}
	if diff := cmp.Diff([]int64{1200, 300, 0, 70}, rows); diff != "" {
		t.Error(diff)
	}
	if got := db.Text(t, "SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())"); got != "0|0" {
		t.Errorf("publications and slots: %s", got)
	}
}

// A large table that was never analysed is no table of 20,000 rows: its size tells how many more there are, within a tenth. A role that
// may read some columns alone may not ask where rows lie, and learns what was counted.
func TestALargeNewTableIsEstimatedByItsSize(t *testing.T) {
	for _, major := range majors(t) {
		db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
		db.Exec(t, `CREATE TABLE long (id int PRIMARY KEY, body text); INSERT INTO long SELECT i, repeat('x', i % 50) FROM generate_series(1, 60000) i;
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO parts SELECT generate_series(1, 90000);
CREATE ROLE `+db.Name+`_some LOGIN; GRANT SELECT (id) ON long TO `+db.Name+`_some;`)
		all, err := source(t, options(db, "long", "parts")).Estimates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []int64{60_000, 90_000} {
			if got := all[i].Rows; got < want*9/10 || got > want*11/10 {
				t.Errorf("PostgreSQL %d: %d rows are estimated, of %d", major, got, want)
			}
		}
		o := options(db, "long")
		o.DSN, o.Tables[0].Columns = strings.Replace(o.DSN, "postgres@", db.Name+"_some@", 1), []string{"id"}
		if all, err = source(t, o).Estimates(t.Context()); err != nil || all[0].Rows != 20_000 {
			t.Errorf("PostgreSQL %d: a role with some columns learns %+v, %v", major, all, err)
		}
	}
}
