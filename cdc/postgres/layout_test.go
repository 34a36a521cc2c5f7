package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// readAnew runs a source until it wants its tables to be read again, and then does so with a flow that was planned
// anew, as whoever runs it does: by then the rows have to be those of the table.
func readAnew(t *testing.T, db *testenv.PostgresDatabase, in *cdctest.Inlet, word string) {
	t.Helper()
	o := options(db, "docs")
	err := once(t, source(t, o), in.Crash(), nil)
	if !errors.Is(err, cdc.ErrReread) || !strings.Contains(fmt.Sprint(err), word) {
		t.Fatalf("it goes on with %v, want that the table is read again, and %q", err, word)
	}
	faultOf(t, err)
	healed := in.Crash()
	if err := once(t, source(t, o), healed, func(s *cdc.Start) { s.Rescan = true }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(present(t, o), folded(t, healed.Puts())); diff != "" {
		t.Error(diff)
	}
	last := healed.Crash()
	if err := once(t, source(t, o), last, nil); err != nil || len(last.Puts()) != 0 {
		t.Errorf("once more: %d changes, %v", len(last.Puts()), err)
	}
}

// remakings are changes after which rows that nobody touches mean something else.
func remakings() map[string]struct{ sql, word string } {
	return map[string]struct{ sql, word string }{
		"names change places":                                 {"ALTER TABLE docs RENAME body TO x; ALTER TABLE docs RENAME note TO body; ALTER TABLE docs RENAME x TO note", "column"},
		"a column goes and another comes under its name":      {"ALTER TABLE docs DROP body; ALTER TABLE docs ADD body text DEFAULT 'new'", "column body"},
		"the last column goes and another comes as the last":  {"ALTER TABLE docs DROP note; ALTER TABLE docs ADD note text DEFAULT 'new'", "column note"},
		"a name goes to a column that the flow does not read": {"ALTER TABLE docs DROP n; ALTER TABLE docs RENAME id TO n; ALTER TABLE docs ADD id int; UPDATE docs SET id = -n; ALTER TABLE docs DROP CONSTRAINT docs_pkey; ALTER TABLE docs ADD PRIMARY KEY (id)", "column"},
		"the key gets wider":                                  {"ALTER TABLE docs DROP CONSTRAINT docs_pkey; ALTER TABLE docs ADD PRIMARY KEY (id, n); UPDATE docs SET body = 'after' WHERE id = 2", "key"},
		"the key is another one":                              {"ALTER TABLE docs DROP CONSTRAINT docs_pkey; ALTER TABLE docs ADD PRIMARY KEY (n); UPDATE docs SET body = 'after' WHERE id = 2", "key"},
		"the key is of another type":                          {"ALTER TABLE docs ALTER id TYPE text; UPDATE docs SET body = 'after' WHERE n = 2", "key"},
	}
}

// Names that change places, columns made anew under an old name and another key show in no row that the server sends: while
// the flow stands still they are found by the numbers of the columns, and the rows are read again (I6).
func TestAStoppedFlowFindsWhatRowsMeanNow(t *testing.T) {
	for name, x := range remakings() {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(5))
			o := options(db, "docs")
			in := firstRead(t, o)
			for sql := range strings.SplitSeq(x.sql, ";") {
				db.Exec(t, sql)
			}
			readAnew(t, db, in, x.word)
		})
	}
}

// The same while the flow runs, without and with a row that tells of it.
func TestARunningFlowFindsWhatRowsMeanNow(t *testing.T) {
	for name, x := range remakings() {
		for _, after := range []string{"", "UPDATE docs SET body = 'touched' WHERE n = 3"} {
			t.Run(fmt.Sprintf("%s, touched %t", name, after != ""), func(t *testing.T) {
				db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
				db.Exec(t, rowsOf(5))
				o := options(db, "docs")
				o.GuardEvery = 20 * time.Millisecond
				if after != "" {
					o.GuardEvery = time.Hour // the first row tells
				}
				in := cdctest.NewInlet()
				s := source(t, o)
				if _, err := s.Collections(t.Context()); err != nil {
					t.Fatal(err)
				}
				live := begin(t, s, in, nil)
				live.caught()
				for sql := range strings.SplitSeq(x.sql, ";") {
					db.Exec(t, sql)
				}
				if after != "" {
					db.Exec(t, after)
				}
				err := live.finish()
				if !errors.Is(err, cdc.ErrChanged) && !errors.Is(err, cdc.ErrReread) {
					t.Fatalf("the run ends with %v", err)
				}
				readAnew(t, db, in, "")
			})
		}
	}
}

// Names that have changed places and back again by now have left rows of the time between in the wrong columns.
func TestNamesThatHaveChangedPlacesForAWhile(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5))
	in := cdctest.NewInlet()
	if err := once(t, source(t, options(db, "docs")), in, nil); err != nil {
		t.Fatal(err)
	}
	swap := "ALTER TABLE docs RENAME body TO x; ALTER TABLE docs RENAME note TO body; ALTER TABLE docs RENAME x TO note;"
	db.Exec(t, swap+"UPDATE docs SET n = 7 WHERE id = 3;"+swap)
	readAnew(t, db, in, "changed places")
}

// Changes of a table that leave what its rows mean read nothing again.
func TestAnAlteredTableIsNotReadAgainWithoutNeed(t *testing.T) {
	for name, sql := range map[string]string{
		"a column more":             "ALTER TABLE docs ADD more int DEFAULT 3",
		"a column less":             "ALTER TABLE docs DROP note",
		"a column of another name":  "ALTER TABLE docs RENAME note TO remark",
		"a key of another name":     "ALTER TABLE docs RENAME id TO number",
		"a wider type":              "ALTER TABLE docs ALTER n TYPE bigint",
		"a position without layout": "",
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(5))
			o := options(db, "docs")
			in := firstRead(t, o)
			old := func(s *cdc.Start) {
				if sql == "" {
					s.Resume = postgres.WithoutLayout(s.Resume)
				}
			}
			if sql != "" {
				db.Exec(t, sql)
			}
			db.Exec(t, "UPDATE docs SET body = 'after'")
			next := in.Crash()
			if err := once(t, source(t, o), next, old); err != nil || len(next.Puts()) != 5 {
				t.Fatalf("%d changes, %v", len(next.Puts()), err)
			}
			if sql == "" { // the numbers are known from then on
				db.Exec(t, remakings()["names change places"].sql)
				readAnew(t, db, next, "column")
			}
		})
	}
}

// A stretch of the stream that does not tell which rows went, since the key or the replica identity was another one then, is left behind: the tables
// are read again at the end of the log. Until the server tells keys again the flow is refused, with what to do.
func TestAStretchThatDoesNotTellTheKeyIsLeftBehind(t *testing.T) {
	for name, x := range map[string]struct{ sql, refused string }{
		"the key was another one":              {"DELETE FROM docs WHERE id = 1; UPDATE docs SET id = 50 WHERE id = 2; ALTER TABLE docs DROP CONSTRAINT docs_pkey; ALTER TABLE docs ADD PRIMARY KEY (n); DELETE FROM docs WHERE n = 3", ""},
		"the key was narrower":                 {"DELETE FROM docs WHERE id = 1; ALTER TABLE docs DROP CONSTRAINT docs_pkey; ALTER TABLE docs ADD PRIMARY KEY (id, n)", ""},
		"the replica identity was another one": {"ALTER TABLE docs ADD UNIQUE (n); ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_n_key; DELETE FROM docs WHERE id = 1; UPDATE docs SET n = 50 WHERE id = 2", `ALTER TABLE "public"."docs" REPLICA IDENTITY DEFAULT`},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(5))
			o := options(db, "docs")
			in := firstRead(t, o)
			for sql := range strings.SplitSeq(x.sql, ";") {
				db.Exec(t, sql)
			}
			if x.refused != "" {
				if fault := faultOf(t, once(t, source(t, o), in.Crash(), nil)); fault.Code != "no_key" || fault.Hint != x.refused {
					t.Fatalf("%s: %v; %s", fault.Code, fault, fault.Hint)
				}
				db.Exec(t, x.refused)
			}
			readAnew(t, db, in, "key")
		})
	}
}

// The key is the primary key, also where the replica identity is an index that holds it beside others (I4).
func TestTheKeyIsThePrimaryKeyBesideAnotherIdentity(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(3)+"CREATE UNIQUE INDEX other ON docs (n, id); ALTER TABLE docs REPLICA IDENTITY USING INDEX other")
	o := options(db, "docs")
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	db.Exec(t, "UPDATE docs SET n = 20 WHERE id = 2; UPDATE docs SET id = 30 WHERE id = 3; DELETE FROM docs WHERE id = 1; UPDATE docs SET body = 'new' WHERE id = 2")
	live.reach(db)
	live.end()
	var got []string
	for _, p := range in.Puts()[3:] {
		got = append(got, fmt.Sprint(p.Op, " ", p.Key.Text()))
	}
	if diff := cmp.Diff([]string{"update 2", "delete 3", "insert 30", "delete 1", "update 2"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(present(t, o), folded(t, in.Puts())); diff != "" {
		t.Error(diff)
	}
	// A position of a version that read the table by its index says nothing of it: the table is read again.
	err := once(t, source(t, o), in.Crash(), func(s *cdc.Start) { s.Resume = postgres.WithoutLayout(s.Resume) })
	if !errors.Is(err, cdc.ErrReread) {
		t.Errorf("from such a position: %v", err)
	}
}
