package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// TestAFirstReadThatBreaksOff proves case 23: when the snapshot's session dies among the rows, the tables that are
// complete stay, the others are read at another moment, and writers in between are neither lost nor undone.
func TestAFirstReadThatBreaksOff(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(20_000)+"CREATE TABLE pairs (k text, lang text, v int, PRIMARY KEY (k, lang)); INSERT INTO pairs SELECT 'k' || i, 'en', i FROM generate_series(1, 10000) i;")
	o := options(db, "docs", "pairs")
	in := cdctest.NewInlet()
	for i := range 3 {
		in.Hold()
		live := begin(t, source(t, o), in, nil)
		live.wait("rows that wait", func() bool { return in.Waiting() > 0 })
		db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'freshet' AND datname = current_database()")
		db.Exec(t, fmt.Sprintf("UPDATE docs SET n = %d WHERE id %% 7 = 0; DELETE FROM docs WHERE id %% 101 = %d; UPDATE pairs SET lang = 'de' WHERE v %% 50 = %d;"+
			"DELETE FROM pairs WHERE v %% 31 = %d; INSERT INTO docs VALUES (%d, 1, 'new', '')", i, i, i, i, 100_000+i))
		in.Release()
		live.wait("more rows", func() bool { return len(in.Puts()) > 5000*(i+1) })
		if i == 2 {
			live.caught()
			live.reach(db)
			live.end()
			break
		}
		live.stop()
		live.work.Wait()
	}
	if diff := cmp.Diff(present(t, o), folded(t, in.Puts())); diff != "" {
		t.Errorf("%d characters of difference: %.2000s", len(diff), diff)
	}
	if got := db.Text(t, "SELECT count(*), bool_and(NOT temporary) FROM pg_replication_slots WHERE database = current_database()"); got != "1|t" {
		t.Errorf("slots: %s", got)
	}
}

// TestAStopInTheMiddleOfALargeTransaction proves case 5: what was put of it before the end is no transaction, and it comes
// again as a whole, with another one open all the while.
func TestAStopInTheMiddleOfALargeTransaction(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5))
	o := options(db, "docs")
	in := firstRead(t, o)
	open := db.Connect(t)
	session(t, open, "BEGIN", "INSERT INTO docs VALUES (1000000, 1, 'open', '')")
	db.Exec(t, "INSERT INTO docs SELECT i, i, repeat('x', 300), '' FROM generate_series(100, 20000) i")
	next := in.Crash()
	live := begin(t, source(t, o), next, nil)
	live.wait("a part of it", func() bool { return len(next.Puts()) > 0 })
	live.stop()
	live.work.Wait()
	durable := 0
	for _, p := range next.Puts() {
		if p.Position != "" && p.Position <= next.Position() {
			durable++
		}
	}
	if durable != 0 && durable != 19_901 {
		t.Errorf("%d changes of a transaction of 19901 are durable", durable)
	}
	session(t, open, "COMMIT")
	last := next.Crash()
	if err := once(t, source(t, o), last, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(last.Puts()); n != 19_902-durable {
		t.Errorf("%d changes, want %d", n, 19_902-durable)
	}
}

// madeByAnother makes a slot by a session that no source owns.
func madeByAnother(ctx context.Context, dsn, slot string) error {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.RuntimeParams["replication"] = "database"
	c, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "CREATE_REPLICATION_SLOT "+slot+" LOGICAL pgoutput NOEXPORT_SNAPSHOT").ReadAll()
	return errors.Join(err, c.Close(ctx))
}

// TestASlotThatIsHalfMadeIsNotTaken proves case 2: a process that is killed while the server makes its slot leaves one that the
// server drops as soon as it sees that. The next process waits for that, and holds no place of a slot that is about to go (I10).
func TestASlotThatIsHalfMadeIsNotTaken(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(10))
	o := options(db, "docs")
	blocker := db.Connect(t)
	if _, err := blocker.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "SELECT pg_current_xact_id()"); err != nil {
		t.Fatal(err)
	}
	var making sync.WaitGroup
	var fault error
	making.Go(func() { fault = madeByAnother(t.Context(), db.DSN(), o.Slot) })
	db.Exec(t, "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '"+o.Slot+"') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")

	in := cdctest.NewInlet()
	second := begin(t, source(t, o), in, nil)
	second.wait("the word that the slot is being made", func() bool {
		h := in.Hindrance()
		return h != nil && strings.Contains(h.Error(), "is still making it")
	})
	if at := in.Position(); at != "" {
		t.Errorf("it holds the place %s meanwhile", source(t, o).Describe(at))
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if making.Wait(); fault != nil {
		t.Fatal(fault)
	}
	second.caught()
	if got := len(in.Rows()); got != 10 {
		t.Errorf("it holds %d rows, want 10", got)
	}
	second.end()
}
