package postgres_test

import (
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
