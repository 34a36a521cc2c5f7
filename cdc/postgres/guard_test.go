package postgres_test

import (
	"context"
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

// rowsOf makes a table of n small rows.
func rowsOf(n int) string {
	return docs + fmt.Sprintf("INSERT INTO docs SELECT i, i, 'body ' || i, '' FROM generate_series(1, %d) i;", n)
}

// faultOf is the fault that an error tells a person.
func faultOf(t *testing.T, err error) *cdc.SourceError {
	t.Helper()
	fault, ok := errors.AsType[*cdc.SourceError](err)
	if !ok {
		t.Fatalf("error %v is no fault of a source", err)
	}
	if fault.Hint == "" {
		t.Errorf("%v has no hint", err)
	}
	return fault
}

// TestASlotThatDoesNotFitStopsTheRun proves cases 6 and 18 (I10).
func TestASlotThatDoesNotFitStopsTheRun(t *testing.T) {
	for name, x := range map[string]struct{ harm, word string }{
		"it is gone": {"SELECT pg_drop_replication_slot('SLOT'); INSERT INTO docs VALUES (100)", "gone"},
		"it was made anew": {"SELECT pg_drop_replication_slot('SLOT'); INSERT INTO docs VALUES (100); SELECT pg_create_logical_replication_slot('SLOT', 'pgoutput')",
			"ahead of what is held"},
		"somebody has moved it on": {"INSERT INTO docs VALUES (100); SELECT pg_replication_slot_advance('SLOT', pg_current_wal_lsn())", "ahead of what is held"},
		"it is of another plugin":  {"SELECT pg_drop_replication_slot('SLOT'); SELECT pg_create_logical_replication_slot('SLOT', 'test_decoding')", "plugin"},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			db.Exec(t, rowsOf(10))
			o := options(db, "docs")
			in := firstRead(t, o)
			held := in.Rows()
			released(t, db, o.Slot)
			bare, err := source(t, o).ParsePosition(source(t, o).Describe(in.Start().Resume))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []cdc.Position{in.Start().Resume, bare} {
				if said, err := source(t, o).Resumes(t.Context(), at); err != nil || !strings.Contains(said, "slot "+o.Slot+" goes on behind ") {
					t.Errorf("before it: %q, %v", said, err)
				}
			}
			for _, sql := range strings.Split(strings.ReplaceAll(x.harm, "SLOT", o.Slot), ";") {
				db.Exec(t, sql)
			}
			next := in.Crash()
			_, told := source(t, o).Resumes(t.Context(), next.Start().Resume)
			_, toldBare := source(t, o).Resumes(t.Context(), bare)
			err = once(t, source(t, o), next, nil)
			if fmt.Sprint(told) != fmt.Sprint(err) || fmt.Sprint(toldBare) != fmt.Sprint(err) {
				t.Errorf("who asks beforehand is told\n%v\n%v\nand the run ends with\n%v", told, toldBare, err)
			}
			fault := faultOf(t, err)
			if fault.Code != "data_guard" || !errors.Is(err, cdc.ErrGap) || errors.Is(err, cdc.ErrReread) ||
				!strings.Contains(err.Error(), o.Slot) || !strings.Contains(err.Error(), x.word) {
				t.Errorf("%s: %v", fault.Code, err)
			}
			if len(next.Puts()) != 0 {
				t.Errorf("%d changes were put", len(next.Puts()))
			}
			o.OnSlotLost = postgres.SlotLostResnapshot
			if err := once(t, source(t, o), in.Crash(), nil); !errors.Is(err, cdc.ErrReread) {
				t.Errorf("with resnapshot: %v", err)
			}
			if strings.Contains(x.harm, "test_decoding") {
				db.Exec(t, "SELECT pg_drop_replication_slot('"+o.Slot+"')")
			}
			// What is asked for by a person heals it: every row is read again, and the new slot streams on.
			healed := in.Crash()
			db.Exec(t, "DELETE FROM docs WHERE id = 3")
			if err := once(t, source(t, o), healed, func(s *cdc.Start) { s.Rescan = true }); err != nil {
				t.Fatal(err)
			}
			read := 0
			for _, p := range healed.Puts() {
				if p.Snapshot {
					read++
				}
			}
			if want := db.Text(t, "SELECT count(*) FROM docs"); fmt.Sprint(read) != want {
				t.Errorf("%d rows were read again, the table has %s; %d were held", read, want, len(held))
			}
			db.Exec(t, "INSERT INTO docs VALUES (200)")
			last := healed.Crash()
			if err := once(t, source(t, o), last, nil); err != nil || len(last.Puts()) != 1 {
				t.Errorf("after it: %d changes, %v", len(last.Puts()), err)
			}
		})
	}
}

// A slot that another process has moved on and reads is not called one that was made anew (I10).
func TestASlotThatIsReadElsewhereSaysSo(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(10))
	o := options(db, "docs")
	in := firstRead(t, o)
	held := in.Start().Resume
	other := begin(t, source(t, o), in.Crash(), nil)
	other.caught()
	db.Exec(t, "INSERT INTO docs VALUES (100)")
	other.reach(db)
	db.Exec(t, "DO $$ BEGIN WHILE (SELECT confirmed_flush_lsn <= '"+source(t, o).Describe(held)+"' FROM pg_replication_slots WHERE slot_name = '"+o.Slot+"') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
	_, err := source(t, o).Resumes(t.Context(), held)
	if fault := faultOf(t, err); fault.Code != "data_guard" || !strings.Contains(err.Error(), "another process reads it (pid ") {
		t.Errorf("%s: %v", fault.Code, err)
	}
	other.end()
}

// TestASlotThatLostItsLogStopsTheRun proves case 18 where the server itself gives the slot up (I10).
func TestASlotThatLostItsLogStopsTheRun(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_slot_wal_keep_size": "'1MB'", "wal_level": "logical",
		"min_wal_size": "'32MB'", "max_wal_size": "'32MB'"}})
	db := s.Database(t)
	db.Exec(t, rowsOf(10)+"CREATE TABLE other (a text);")
	o := options(db, "docs")
	in := firstRead(t, o)
	for range 4 {
		db.Exec(t, "INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
		db.Exec(t, "SELECT pg_switch_wal()")
		db.Exec(t, "CHECKPOINT")
	}
	if status := db.Text(t, "SELECT wal_status FROM pg_replication_slots"); status != "lost" {
		t.Fatalf("the slot is %s", status)
	}
	if err := once(t, source(t, o), in.Crash(), nil); !errors.Is(err, cdc.ErrGap) || faultOf(t, err).Code != "data_guard" {
		t.Errorf("a lost slot: %v", err)
	}
	healed := in.Crash()
	if err := once(t, source(t, o), healed, func(s *cdc.Start) { s.Rescan = true }); err != nil {
		t.Fatal(err)
	}
	if got := db.Text(t, "SELECT count(*), max(wal_status) FROM pg_replication_slots"); got != "1|reserved" {
		t.Errorf("slots: %s", got)
	}
}

// TestASlotAtRiskIsTold proves that people hear of it before the server gives a slot up, while the flow is blocked.
func TestASlotAtRiskIsTold(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_slot_wal_keep_size": "'48MB'"}})
	db := s.Database(t)
	db.Exec(t, rowsOf(10))
	o := options(db, "docs")
	o.GuardEvery = 50 * time.Millisecond
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	in.Hold()
	db.Exec(t, "UPDATE docs SET n = 1")
	live.wait("a Put that waits", func() bool { return in.Waiting() > 0 })
	db.Exec(t, "CREATE TABLE other (a text); INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 30000)")
	live.wait("a word on the slot", func() bool { return in.Hindrance() != nil && strings.Contains(in.Hindrance().Error(), o.Slot) })
	in.Release()
	live.reach(db)
	db.Exec(t, "CHECKPOINT")
	live.wait("that the slot is safe again", func() bool { return in.Hindrance() == nil })
	live.end()
}

// TestAnotherServerStopsTheRun proves case 24: what was read elsewhere is not continued (I10).
func TestAnotherServerStopsTheRun(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5))
	in := cdctest.NewInlet()
	if err := once(t, source(t, options(db, "docs")), in, nil); err != nil {
		t.Fatal(err)
	}
	other := testenv.Postgres(t, testenv.PostgresOptions{Own: true}).Database(t)
	other.Exec(t, rowsOf(5))
	if err := once(t, source(t, options(other, "docs")), in.Crash(), nil); !errors.Is(err, cdc.ErrGap) || !strings.Contains(err.Error(), "another") {
		t.Errorf("another server: %v", err)
	}
	if got := other.Text(t, "SELECT count(*) FROM pg_replication_slots"); got != "0" {
		t.Errorf("%s slots were made there", got)
	}
	// A person may want it all the same. Places of the first server say nothing of the second one's log, whose
	// places are lower: what is confirmed of them must not reach it.
	healed := in.Crash()
	live := begin(t, source(t, options(other, "docs")), healed, func(s *cdc.Start) { s.Rescan = true })
	if err := live.source.Confirm(t.Context(), in.Position()); err != nil {
		t.Fatal(err)
	}
	live.caught()
	if err := live.source.Confirm(t.Context(), in.Position()); err != nil {
		t.Fatal(err)
	}
	other.Exec(t, "INSERT INTO docs VALUES (100)")
	live.wait("the insert", func() bool { return len(healed.Puts()) == 6 })
	live.stop()
	if live.work.Wait(); live.err != nil {
		t.Error(live.err) // the inlet's own check would say that places fall, which they do here
	}
	if got := other.Text(t, "SELECT confirmed_flush_lsn <= pg_current_wal_lsn() FROM pg_replication_slots"); got != "t" {
		t.Error("the slot was moved behind the end of the log")
	}
}

// TestPreflightNamesWhatIsMissing proves case 24: the fault, and the SQL that mends it.
func TestPreflightNamesWhatIsMissing(t *testing.T) {
	for name, x := range map[string]struct {
		setup, code, message, hint string
		adapt                      func(*postgres.Options)
	}{
		"no such table":              {"", "no_table", "docs", "schema.table", nil},
		"no key":                     {"CREATE TABLE docs (a int)", "no_key", "docs", "ADD PRIMARY KEY", nil},
		"identity nothing":           {docs + "ALTER TABLE docs REPLICA IDENTITY NOTHING", "no_key", "docs", "REPLICA IDENTITY DEFAULT", nil},
		"a key that is checked late": {"CREATE TABLE docs (a int PRIMARY KEY DEFERRABLE)", "no_key", "docs", "REPLICA IDENTITY FULL", nil},
		"an identity without the key": {docs + "ALTER TABLE docs ADD UNIQUE (n); ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_n_key", "no_key", "does not hold its primary key",
			"REPLICA IDENTITY DEFAULT", nil},
		"an identity beside a key that is checked late": {"CREATE TABLE docs (a int PRIMARY KEY DEFERRABLE, b int NOT NULL UNIQUE); ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_b_key", "no_key",
			"deferrable", "REPLICA IDENTITY FULL", nil},
		"a key of no kind": {"CREATE TABLE docs (a jsonb PRIMARY KEY)", "no_key", "docs", "a key of", nil},
		"no right to read": {docs, "rights", "docs", "GRANT SELECT ON", func(o *postgres.Options) { o.DSN = strings.Replace(o.DSN, "postgres@", "nobody_ROLE@", 1) }},
		"no right to replicate": {docs + "GRANT SELECT ON docs TO nobody_ROLE", "rights", "replicate", "REPLICATION",
			func(o *postgres.Options) { o.DSN = strings.Replace(o.DSN, "postgres@", "nobody_ROLE@", 1) }},
		"no right to the database": {docs + "REVOKE CONNECT ON DATABASE this_DATABASE FROM PUBLIC", "rights", "permission denied", "GRANT CONNECT ON DATABASE",
			func(o *postgres.Options) { o.DSN = strings.Replace(o.DSN, "postgres@", "nobody_ROLE@", 1) }},
		"a publication of others without the table": {docs + "CREATE TABLE other (a int); CREATE PUBLICATION theirs FOR TABLE other", "rights", "theirs", "ADD TABLE",
			func(o *postgres.Options) { o.Publication = "theirs" }},
		"a publication of others that leaves out deletes": {docs + "CREATE PUBLICATION theirs FOR TABLE docs WITH (publish = 'insert')", "rights", "theirs", "ALTER PUBLICATION",
			func(o *postgres.Options) { o.Publication = "theirs" }},
		"a condition that the server would have to know of old rows": {docs, "rights", "docs", "REPLICA IDENTITY FULL",
			func(o *postgres.Options) { o.Tables[0].Where = "n > 3" }},
		"a condition that is no SQL": {docs, "bad_value", "where", "condition", func(o *postgres.Options) { o.Tables[0].Where = "n >" }},
		"a condition that is none of a publication": {"CREATE TYPE mood AS ENUM ('good'); CREATE TABLE docs (id int PRIMARY KEY, m mood); ALTER TABLE docs REPLICA IDENTITY FULL", "bad_value",
			"User-defined types", "in a step", func(o *postgres.Options) { o.Tables[0].Where = "m = 'good'" }},
		"another condition than that of a publication of others": {docs + "CREATE PUBLICATION theirs FOR TABLE docs WHERE (id > 0)", "rights", "by (id > 0)", "WHERE (id > 10)",
			func(o *postgres.Options) { o.Publication, o.Tables[0].Where = "theirs", "id > 10" }},
		"a condition of a publication of others that the server would have to know of old rows": {docs + "CREATE PUBLICATION theirs FOR TABLE docs WHERE (n > 0)", "rights", "reads column n",
			"REPLICA IDENTITY FULL", func(o *postgres.Options) { o.Publication, o.Tables[0].Columns = "theirs", []string{"body"} }},
		"a column that is not there": {docs, "unknown_column", "nope", "body", func(o *postgres.Options) { o.Tables[0].Columns = []string{"nope"} }},
		"a view":                     {"CREATE VIEW docs AS SELECT 1 AS a", "no_table", "docs", "not a view", nil},
		"no such database": {docs, "no_database", "database no_such_place", "`CREATE DATABASE \"no_such_place\"`",
			func(o *postgres.Options) { o.DSN += "&dbname=no_such_place" }},
		"no such role": {docs, "access_denied", "user nobody_at_all", "user and password",
			func(o *postgres.Options) { o.DSN = strings.Replace(o.DSN, "postgres@", "nobody_at_all@", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			role := strings.NewReplacer("nobody_ROLE", db.Name+"_r", "this_DATABASE", db.Name).Replace
			db.Exec(t, role("CREATE ROLE nobody_ROLE LOGIN"))
			t.Cleanup(func() {
				if err := db.TryExec(context.WithoutCancel(t.Context()), role("DROP OWNED BY nobody_ROLE; DROP ROLE nobody_ROLE")); err != nil {
					t.Error(err)
				}
			})
			db.Exec(t, role(x.setup))
			o := options(db, "docs")
			if x.adapt != nil {
				x.adapt(&o)
			}
			o.DSN = role(o.DSN)
			_, err := source(t, o).Collections(t.Context())
			fault := faultOf(t, err)
			if fault.Code != x.code || !strings.Contains(fault.Error(), x.message) || !strings.Contains(fault.Hint, x.hint) {
				t.Errorf("code %s, %v, hint %q; want %s, %q, %q", fault.Code, fault, fault.Hint, x.code, x.message, x.hint)
			}
			if err := once(t, source(t, o), cdctest.NewInlet(), nil); faultOf(t, err).Code != x.code {
				t.Errorf("a run says %v", err)
			}
			if diff := cmp.Diff("0|0", db.Text(t, "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), (SELECT count(*) FROM pg_publication WHERE pubname <> 'theirs')")); diff != "" {
				t.Errorf("slots and publications are left behind: %s", diff)
			}
		})
	}
}

// TestAConditionIsNotBlamedForAServerThatIsBusy: when the caller gives up while somebody holds the table, nothing is known of the
// condition, and no person is told to write another one.
func TestAConditionIsNotBlamedForAServerThatIsBusy(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(10)+"ALTER TABLE docs REPLICA IDENTITY FULL")
	tx, err := db.Connect(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE docs IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	o := options(db, "docs")
	o.Tables[0].Where = "n < 100"
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	_, err = source(t, o).Collections(ctx)
	if fault := faultOf(t, err); fault.Code != "server_unreachable" || !strings.Contains(fault.Error(), "ask the server about the where of table public.docs") {
		t.Errorf("while the table is held: code %s, %v", fault.Code, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := source(t, o).Collections(t.Context()); err != nil {
		t.Errorf("once the table is free: %v", err)
	}
}

// TestTheRoleOfTheGuideIsEnough runs with the least rights that docs/postgres.md names.
func TestTheRoleOfTheGuideIsEnough(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	role := db.Name + "_reader"
	script := scriptOfTheGuide(t)
	db.Exec(t, rowsOf(20))
	db.Exec(t, strings.NewReplacer("freshet_docs", db.Name, "freshet_reader", role, "public.docs", "docs", "'…'", "'secret'").Replace(script))
	t.Cleanup(func() {
		if err := db.TryExec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	o := options(db, "docs")
	o.DSN = strings.Replace(o.DSN, "postgres@", role+"@", 1)
	in := firstRead(t, o)
	db.Exec(t, "UPDATE docs SET n = n + 1; DELETE FROM docs WHERE id = 3; INSERT INTO docs VALUES (99)")
	next := in.Crash()
	if err := once(t, source(t, o), next, nil); err != nil {
		t.Fatal(err)
	}
	if len(in.Puts()) != 20 || len(next.Puts()) != 22 {
		t.Errorf("%d and %d changes, want 20 and 22", len(in.Puts()), len(next.Puts()))
	}
	if err := source(t, o).Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := db.Text(t, "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), (SELECT count(*) FROM pg_publication)"); got != "0|1" {
		t.Errorf("slots and publications after Drop: %s", got)
	}
}
