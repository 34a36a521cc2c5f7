package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// history are the changes of several runs, each without what was not durable when it ended.
type history struct{ puts []cdctest.Put }

func (h *history) keep(in *cdctest.Inlet) (read int) {
	at := in.Position()
	for _, p := range in.Puts() {
		if p.Position != "" && p.Position <= at {
			h.puts = append(h.puts, p)
			if p.Snapshot {
				read++
			}
		}
	}
	return read
}

func (h *history) equals(t *testing.T, o postgres.Options) {
	t.Helper()
	if diff := cmp.Diff(present(t, o), folded(t, h.puts)); diff != "" {
		t.Errorf("%d characters of difference: %.2000s", len(diff), diff)
	}
}

// TestAFirstReadGoesOnWithinATable proves cases 2 and 23: a run that is killed among the rows of a table goes on behind
// the chunks whose rows are durable, and a file that was written anew meanwhile is read from its beginning.
func TestAFirstReadGoesOnWithinATable(t *testing.T) {
	for name, x := range map[string]struct {
		between string
		anew    bool
	}{
		"and writers went on":                {"UPDATE docs SET n = -n WHERE id % 3 = 0; DELETE FROM docs WHERE id % 5 = 0; INSERT INTO docs VALUES (100000, 1, 'new', '')", false},
		"and VACUUM FULL has moved its rows": {"DELETE FROM docs WHERE id < 8000; VACUUM FULL docs", true},
		"and it was emptied":                 {"TRUNCATE docs; INSERT INTO docs SELECT i FROM generate_series(1, 500) i", true},
	} {
		t.Run(name, func(t *testing.T) {
			// How much of a table is held is where its first unfinished chunk begins, and the system decides how far
			// that one lags behind the others.
			for range 10 {
				read, again, rows := readInTwoRuns(t, x.between)
				switch {
				case x.anew && again == rows, !x.anew && again <= rows-2000:
					return
				case x.anew || again > rows:
					t.Fatalf("%d rows were read, then %d; the table has %d", read, again, rows)
				}
			}
			t.Error("a second run reads everything again, each time")
		})
	}
}

// readInTwoRuns reads a table of 10,000 rows, is killed in the middle, and reads on after some statements. It tells how many
// rows each run has read that are durable, and how many there are.
func readInTwoRuns(t *testing.T, between string) (read, again, rows int) {
	t.Helper()
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(10_000))
	o := options(db, "docs")
	in := cdctest.NewInlet()
	var h history
	s := source(t, o)
	s.InSmallSteps()
	live := begin(t, s, in, nil)
	live.wait("half of the rows", func() bool { return len(in.Puts()) > 5000 })
	in.Defer() // what comes now is lost
	live.end()
	if read = h.keep(in); read < 5000 || read == 10_000 {
		t.Fatalf("%d rows are durable", read)
	}
	for sql := range strings.SplitSeq(between, ";") {
		db.Exec(t, sql)
	}
	next := in.Crash()
	if err := once(t, source(t, o), next, nil); err != nil {
		t.Fatal(err)
	}
	again = h.keep(next)
	h.equals(t, o)
	rows, err := strconv.Atoi(db.Text(t, "SELECT count(*) FROM docs"))
	if err != nil {
		t.Fatal(err)
	}
	return read, again, rows
}

// TestRowsAreReadNextToTheStream proves the windows of added tables and of `incremental` (I4, I6): from the first rows on,
// under writers that move keys, leave out large values, and roll back, and with restarts that lose what was not durable,
// the changes add up to the tables; no row that was read takes the place of a newer one.
func TestRowsAreReadNextToTheStream(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
			db.Exec(t, docs+"CREATE TABLE pairs (k text, lang text, v int, n numeric, PRIMARY KEY (k, lang));"+
				"INSERT INTO docs SELECT i, i, "+big("x")+", repeat('wide ', 150) FROM generate_series(0, 3000) i;"+
				"INSERT INTO pairs SELECT 'k' || i, 'en', i, 0 FROM generate_series(0, 2000) i;"+
				"ALTER DATABASE "+db.Name+" SET logical_decoding_work_mem = '64kB';")
			o := options(db, "docs", "pairs")
			o.Snapshot = postgres.SnapshotIncremental
			rounds := 400
			if testing.Short() {
				rounds = 100
			}
			var writers sync.WaitGroup
			write := func() {
				for w := range 4 {
					c := db.Connect(t)
					writers.Go(func() {
						if err := writer(t.Context(), c, rand.New(rand.NewPCG(uint64(w), 11)), rounds); err != nil {
							t.Error(err)
						}
					})
				}
			}
			in := cdctest.NewInlet()
			in.Hold()
			var h history
			for i := range 5 {
				s := source(t, o)
				s.InSmallSteps()
				live := begin(t, s, in, nil)
				if i == 0 { // a change comes between rows, however the system schedules source and writers
					live.wait("the first rows", func() bool { return in.Waiting() > 0 })
					db.Exec(t, "UPDATE docs SET n = n + 1 WHERE id = 100")
					write()
					in.Release()
				}
				live.wait("changes", func() bool { return len(in.Puts()) > 400*(i+1) || in.Caught() > 0 })
				in.Defer()
				if i%2 == 0 {
					db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'freshet' AND datname = current_database()")
				}
				live.end()
				h.keep(in)
				in = in.Crash()
			}
			s := source(t, o)
			s.InSmallSteps()
			live := begin(t, s, in, nil)
			live.caught()
			writers.Wait()
			live.reach(db)
			live.end()
			h.keep(in)
			h.equals(t, o)
			between := 0
			for i, p := range h.puts[1:] {
				if p.Snapshot && !h.puts[i].Snapshot {
					between++
				}
			}
			if between == 0 {
				t.Error("no change came between rows that were read")
			}
		})
	}
}

// TestRowsThatMoveWhileTheyAreRead proves that a change which leaves a large value out, and comes next to the first rows, takes
// it as it stood then (I11): what the table holds by now came with a later change, and would go on to a third row that
// takes it from there.
func TestRowsThatMoveWhileTheyAreRead(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, docs+"INSERT INTO docs SELECT i, i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j), '' FROM generate_series(0, 39) i;")
	for round := range rounds {
		o := options(db, "docs")
		o.Slot += fmt.Sprint(round)
		ctx, stop := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for w := range 2 { // each has its own rows
			c := db.Connect(t)
			writers.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
				for ctx.Err() == nil {
					one, other := random.IntN(20)*2+w, random.IntN(20)*2+w
					swap := fmt.Sprintf("UPDATE docs SET n = n + 1 WHERE id = %d; BEGIN; UPDATE docs SET id = -1 - %[1]d WHERE id = %[1]d;"+
						"UPDATE docs SET id = %[1]d WHERE id = %[2]d; UPDATE docs SET id = %[2]d WHERE id = -1 - %[1]d; COMMIT", one, other)
					if one == other {
						continue
					}
					if _, err := c.PgConn().Exec(t.Context(), swap).ReadAll(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		in := cdctest.NewInlet()
		live := begin(t, source(t, o), in, nil)
		live.caught()
		stop()
		writers.Wait()
		live.reach(db)
		live.end()
		h := history{puts: in.Puts()}
		h.equals(t, o)
		released(t, db, o.Slot)
		db.Exec(t, "SELECT pg_drop_replication_slot('"+o.Slot+"')")
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// TestALiveChangeDoesNotWaitForATable proves that a table which the flow gains does not hold up the others: changes come
// between its rows.
func TestALiveChangeDoesNotWaitForATable(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5)+"CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i;")
	o := options(db, "docs", "late")
	all := o.Tables
	o.Tables = all[:1]
	in := firstRead(t, o)
	o.Tables = all
	next := in.Crash()
	s := source(t, o)
	s.InSmallSteps()
	live := begin(t, s, next, nil)
	live.wait("the first rows", func() bool { return len(next.Puts()) > 0 })
	report := s.Report()
	if x := report.Reading; x == nil || x.Collection != "public.late" || x.Done < 0 || x.Done >= 1 {
		t.Errorf("the report says %+v of the reading", x)
	}
	db.Exec(t, "UPDATE docs SET n = 77 WHERE id = 1; UPDATE late SET v = 'changed' WHERE id IN (1, 20000)")
	live.caught()
	live.reach(db)
	live.end()
	rows, before := 0, -1
	for _, p := range next.Puts() {
		if p.Snapshot {
			rows++
		} else if p.Collection == 0 && before < 0 {
			before = rows
		}
	}
	if before < 0 || before >= 19_000 {
		t.Errorf("the change came behind %d of the rows", before)
	}
	h := history{puts: in.Puts()}
	h.keep(next)
	h.equals(t, o)
	if report := s.Report(); report.Reading != nil || report.RetainedBytes < 0 {
		t.Errorf("at the end the report is %+v", report)
	}
}

// TestATransactionThatTheNewTableWasNotPublishedTo proves case 22 (T9): what a transaction changed before the table was published
// is never sent; the table is read when the transaction has ended.
func TestATransactionThatTheNewTableWasNotPublishedTo(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5)+"CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late SELECT i, 'v' FROM generate_series(1, 10) i;")
	o := options(db, "docs", "late")
	all := o.Tables
	o.Tables = all[:1]
	in := firstRead(t, o)
	open := db.Connect(t)
	session(t, open, "BEGIN", "UPDATE late SET v = 'by the open one' WHERE id = 4", "DELETE FROM late WHERE id = 5")
	o.Tables = all
	next := in.Crash()
	live := begin(t, source(t, o), next, nil)
	live.wait("a word on the transaction", func() bool { return next.Hindrance() != nil && strings.Contains(next.Hindrance().Error(), "pid") })
	db.Exec(t, "INSERT INTO docs VALUES (50)")
	live.wait("a change that does not wait", func() bool { return len(next.Puts()) > 0 })
	session(t, open, "COMMIT")
	live.caught()
	live.reach(db)
	live.wait("that nothing hinders any more", func() bool { return next.Hindrance() == nil })
	live.end()
	h := history{puts: in.Puts()}
	h.keep(next)
	h.equals(t, o)
}

// TestAPreparedTransactionIsNamed proves case 24: what is prepared belongs to no session, and holds up the first rows all the same.
func TestAPreparedTransactionIsNamed(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_prepared_transactions": "5"}})
	db := s.Database(t)
	db.Exec(t, rowsOf(5))
	session(t, db.Connect(t), "BEGIN", "UPDATE docs SET n = 7 WHERE id = 1", "PREPARE TRANSACTION 'payroll'")
	o := options(db, "docs")
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.wait("its name", func() bool {
		return in.Hindrance() != nil && strings.Contains(in.Hindrance().Error(), "prepared payroll")
	})
	db.Exec(t, "COMMIT PREPARED 'payroll'")
	live.caught()
	live.end()
	h := history{puts: in.Puts()}
	h.equals(t, o)
}

// TestACommitThatNobodyCanSeeYet proves T12b: a transaction that is in the log, was streamed, and waits for a synchronous
// standby, is not lost to a table that is read meanwhile.
func TestACommitThatNobodyCanSeeYet(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Own: true})
	db := s.Database(t)
	db.Exec(t, rowsOf(5)+"CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late SELECT i, 'v' FROM generate_series(1, 10) i;")
	o := options(db, "docs", "late")
	all := o.Tables
	o.Tables = all[:1]
	in := firstRead(t, o)
	db.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	db.Exec(t, "SELECT pg_reload_conf()")
	db.Exec(t, "DO $$ BEGIN WHILE current_setting('synchronous_standby_names') = '' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
	o.Tables = all
	next := in.Crash()
	live := begin(t, source(t, o), next, nil)
	hung := db.Connect(t)
	var writer sync.WaitGroup
	writer.Go(func() {
		if _, err := hung.Exec(t.Context(), "UPDATE docs SET n = 5 WHERE id = 1"); err != nil {
			t.Error(err)
		}
		if _, err := hung.Exec(t.Context(), "UPDATE late SET v = 'seen late' WHERE id = 3; INSERT INTO docs VALUES (60)"); err != nil {
			t.Error(err)
		}
	})
	live.wait("the change that hangs", func() bool {
		for _, p := range next.Puts() {
			if !p.Snapshot && p.Key.Text() == "1" {
				return true
			}
		}
		return false
	})
	other := db.Connect(t)
	session(t, other, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	writer.Wait()
	live.caught()
	live.reach(db)
	live.end()
	h := history{puts: in.Puts()}
	h.keep(next)
	h.equals(t, o)
}

// TestWithoutTheRightToWriteMarks proves what is said where messages may not be written.
func TestWithoutTheRightToWriteMarks(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	role := db.Name + "_r"
	db.Exec(t, rowsOf(5)+"CREATE ROLE "+role+" LOGIN REPLICATION; GRANT SELECT ON docs TO "+role+"; CREATE PUBLICATION theirs FOR TABLE docs;"+
		"REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC")
	t.Cleanup(func() {
		if err := db.TryExec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	o := options(db, "docs")
	o.DSN, o.Publication = db.DSNAs(role, ""), "theirs"
	err := once(t, source(t, o), cdctest.NewInlet(), nil)
	if fault := faultOf(t, err); fault.Code != "rights" || !strings.Contains(fault.Hint, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_logical_emit_message") {
		t.Errorf("%s: %v, hint %q", fault.Code, err, fault.Hint)
	}
	if n := db.Text(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); n != "0" {
		t.Errorf("%s slots were made", n)
	}
}
