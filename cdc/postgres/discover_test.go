package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// TestTablesWithAKeyAreFound reads a catalog, and makes nothing.
func TestTablesWithAKeyAreFound(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(1200)+`CREATE TABLE keyless (a int); CREATE TABLE "Odd name" (id uuid PRIMARY KEY, total numeric(10,2));
CREATE VIEW seen AS SELECT 1 AS a; CREATE SCHEMA other; CREATE TABLE other.hidden (id int PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id); CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO parts SELECT generate_series(1, 300); ANALYZE;`)
	found, err := postgres.Discover(t.Context(), db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Table+" "+f.Schema.String())
	}
	want := []string{`public."Odd name" {id* uuid, total decimal?}`, "public.docs {id* int, n int, body string?, note string?}", "public.parts {id* int}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	rows, err := source(t, options(db, "docs", "parts", `"Odd name"`)).Estimates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{1200, 300, 0}, rows); diff != "" {
		t.Error(diff)
	}
	if got := db.Text(t, "SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())"); got != "0|0" {
		t.Errorf("publications and slots: %s", got)
	}
}
