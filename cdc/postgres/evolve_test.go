package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// TestATableThatTheFlowGainsIsReadWhereItJoins proves case 22: the rows of a table that is added, and of those whose first
// rows a run was killed at, are read once more and never go back in time.
func TestATableThatTheFlowGainsIsReadWhereItJoins(t *testing.T) {
	for name, how := range map[string]postgres.Snapshot{"at one moment": postgres.SnapshotInitial, "one table after the other": postgres.SnapshotIncremental} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(20)+"CREATE TABLE late (id int PRIMARY KEY, v text); CREATE TABLE later (id int PRIMARY KEY, v text);"+
				"INSERT INTO late SELECT i, 'v' || i FROM generate_series(1, 30) i; INSERT INTO later SELECT * FROM late;")
			o := options(db, "docs", "late", "later")
			o.Snapshot = how
			all := o.Tables
			o.Tables = all[:1]
			in := firstRead(t, o)
			puts := in.Puts()
			db.Exec(t, "UPDATE docs SET n = 0; DELETE FROM late WHERE id = 1; UPDATE late SET v = 'new' WHERE id = 2")
			o.Tables = all
			next := in.Crash()
			live := begin(t, source(t, o), next, nil)
			db.Exec(t, "UPDATE late SET v = 'newer' WHERE id = 2; UPDATE docs SET n = 1; DELETE FROM later WHERE id = 3; INSERT INTO later VALUES (3, 'again')")
			live.caught()
			live.reach(db)
			live.end()
			if diff := cmp.Diff(present(t, o), folded(t, append(puts, next.Puts()...))); diff != "" {
				t.Error(diff)
			}
			if got := db.Text(t, "SELECT count(*), bool_and(NOT temporary) FROM pg_replication_slots WHERE database = current_database()"); got != "1|t" {
				t.Errorf("slots: %s", got)
			}
			o.Tables = all[:2]
			last := next.Crash()
			if err := once(t, source(t, o), last, nil); err != nil || len(last.Puts()) != 0 {
				t.Errorf("with a table less: %d changes, %v", len(last.Puts()), err)
			}
			if got := db.Text(t, "SELECT count(*) FROM pg_publication_tables WHERE pubname = '"+o.Publication+"'"); got != "2" {
				t.Errorf("%s tables are published", got)
			}
		})
	}
}

// TestATableThatChangesBeginsTheFlowAnew proves case 19: what is carried and is no longer what it was ends the run by
// name, before a value is misread; what is not carried ends nothing.
func TestATableThatChangesBeginsTheFlowAnew(t *testing.T) {
	for name, x := range map[string]struct {
		change string
		word   string // in what is said; empty: nothing is
	}{
		"another type":               {"ALTER TABLE docs ALTER n TYPE bigint", "column n"},
		"another name":               {"ALTER TABLE docs RENAME body TO text", "column body"},
		"a column is gone":           {"ALTER TABLE docs DROP body", "column body"},
		"the table is made anew":     {"DROP TABLE docs; " + docs, "docs"},
		"a column more":              {"ALTER TABLE docs ADD more int DEFAULT 3", ""},
		"one that is not carried":    {"ALTER TABLE docs DROP note", ""},
		"another type and one again": {"BEGIN; ALTER TABLE docs ALTER n TYPE bigint; INSERT INTO docs (id) VALUES (50); ALTER TABLE docs ALTER n TYPE int; COMMIT", ""},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(5))
			o := options(db, "docs")
			o.Tables[0].Columns = []string{"id", "n", "body"}
			s := source(t, o)
			if _, err := s.Collections(t.Context()); err != nil {
				t.Fatal(err)
			}
			in := cdctest.NewInlet()
			live := begin(t, s, in, nil)
			live.caught()
			db.Exec(t, x.change)
			db.Exec(t, "INSERT INTO docs (id) VALUES (100); UPDATE docs SET n = 7 WHERE id = 100")
			if x.word == "" {
				live.reach(db)
				live.end()
				if diff := cmp.Diff(present(t, o), folded(t, in.Puts())); diff != "" {
					t.Error(diff)
				}
				return
			}
			if x.word == "docs" { // a table that is gone says nothing; the next session sees it
				live.end()
				live = begin(t, s, in.Crash(), nil)
			}
			err := live.finish()
			fault := faultOf(t, err)
			if fault.Code != "schema_changed" || !errors.Is(err, cdc.ErrChanged) || !strings.Contains(err.Error(), x.word) {
				t.Errorf("%s: %v", fault.Code, err)
			}
			if x.word == "docs" {
				if err := once(t, source(t, o), in.Crash(), nil); !errors.Is(err, cdc.ErrReread) {
					t.Errorf("planned anew: %v", err)
				}
			}
		})
	}
}

// TestAnotherConditionReadsTheTableAgain proves that rows which come into a flow by its text alone are found.
func TestAnotherConditionReadsTheTableAgain(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(20)+"ALTER TABLE docs REPLICA IDENTITY FULL;")
	o := options(db, "docs")
	o.Tables[0].Where = "n % 2 = 0"
	in := firstRead(t, o)
	db.Exec(t, "UPDATE docs SET n = n + 1 WHERE id <= 10; DELETE FROM docs WHERE id = 12; INSERT INTO docs VALUES (100, 2), (101, 3)")
	next := in.Crash()
	if err := once(t, source(t, o), next, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(present(t, o), folded(t, append(in.Puts(), next.Puts()...))); diff != "" {
		t.Error(diff)
	}
	o.Tables[0].Where = "n % 2 = 1"
	if err := once(t, source(t, o), next.Crash(), nil); !errors.Is(err, cdc.ErrReread) {
		t.Errorf("another condition: %v", err)
	}
	last := next.Crash()
	if err := once(t, source(t, o), last, func(s *cdc.Start) { s.Rescan = true }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(present(t, o), folded(t, last.Puts())); diff != "" {
		t.Error(diff)
	}
}
