package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// options are those of a source of tables of a database.
func options(db *testenv.PostgresDatabase, tables ...string) postgres.Options {
	o := postgres.Options{DSN: db.DSN(), Slot: db.Name, Publication: db.Name}
	for _, name := range tables {
		t := postgres.TableOptions{Table: name}
		if len(tables) > 1 {
			t.Name = name
		}
		o.Tables = append(o.Tables, t)
	}
	return o
}

// source makes a source of tables of a database.
func source(t *testing.T, o postgres.Options) *postgres.Source {
	t.Helper()
	s, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// trial is a source at work.
type trial struct {
	t      *testing.T
	source *postgres.Source
	inlet  *cdctest.Inlet
	stop   context.CancelFunc
	work   sync.WaitGroup
	ended  chan struct{}
	err    error
}

// majors are the versions that a test runs on: the oldest and the newest that are installed, the oldest alone in
// short, all of them in a soak.
func majors(t *testing.T) []int {
	all := testenv.PostgresMajors()
	switch {
	case len(all) == 0:
		return []int{15} // it is skipped or fails there
	case os.Getenv("FRESHET_SOAK") != "":
		return all
	case testing.Short():
		return all[:1]
	}
	return slices.Compact([]int{all[0], all[len(all)-1]})
}

// begin runs a source over an inlet, as the engine does: what is durable is confirmed from a goroutine of its own.
func begin(t *testing.T, s *postgres.Source, in *cdctest.Inlet, adapt func(*cdc.Start)) *trial {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	x := &trial{t: t, source: s, inlet: in, stop: cancel, ended: make(chan struct{})}
	start := in.Start()
	if adapt != nil {
		adapt(&start)
	}
	x.work.Go(func() {
		defer cancel() // ends the confirming
		defer close(x.ended)
		x.err = s.Run(ctx, start, in)
	})
	x.work.Go(func() {
		told := start.Resume
		for in.Wait(ctx, "a durable position", func() bool { return in.Position() != told }) == nil {
			told = in.Position()
			if s.Confirm(ctx, told) != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		x.stop()
		x.work.Wait()
	})
	return x
}

// wait waits until done reports true, and fails the test when the run ends before or a minute passes.
func (x *trial) wait(what string, done func() bool) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), time.Minute)
	defer cancel()
	ended := func() bool {
		select {
		case <-x.ended:
			return true
		default:
			return false
		}
	}
	waiting, leave := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-x.ended:
			leave()
		case <-waiting.Done():
		}
	})
	err := x.inlet.Wait(waiting, what, done)
	leave()
	watch.Wait()
	if err != nil && !done() {
		if ended() {
			x.t.Fatalf("wait for %s: the run ended: %v", what, x.err)
		}
		x.t.Fatalf("%v; it says %v", err, x.inlet.Hindrance())
	}
}

func (x *trial) caught() {
	x.t.Helper()
	x.wait("CaughtUp", func() bool { return x.inlet.Caught() > 0 })
}

// reach waits until everything that has committed by now is durable.
func (x *trial) reach(db *testenv.PostgresDatabase) {
	x.t.Helper()
	want, err := x.source.ParsePosition(db.Text(x.t, "SELECT pg_current_wal_lsn()"))
	if err != nil {
		x.t.Fatal(err)
	}
	x.wait("the present place of the log", func() bool { return x.inlet.Position() >= want })
}

// released waits until the server has noticed that nobody reads a slot any more.
func released(t *testing.T, db *testenv.PostgresDatabase, slot string) {
	t.Helper()
	db.Exec(t, "DO $$ BEGIN WHILE (SELECT active FROM pg_replication_slots WHERE slot_name = '"+slot+"') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
}

// end stops the source and reports what was broken until then.
func (x *trial) end() {
	x.t.Helper()
	x.stop()
	x.work.Wait()
	if err := errors.Join(x.err, x.inlet.Verify()); err != nil {
		x.t.Fatal(err)
	}
}

// finish waits until the run ends by itself.
func (x *trial) finish() error {
	x.t.Helper()
	select {
	case <-x.ended:
	case <-time.After(time.Minute):
		x.t.Fatalf("the run does not end: %v, %d puts", x.inlet.Hindrance(), len(x.inlet.Puts()))
	}
	x.work.Wait()
	return errors.Join(x.err, x.inlet.Verify())
}

// once runs a source over an inlet until it is exhausted.
func once(t *testing.T, s *postgres.Source, in *cdctest.Inlet, adapt func(*cdc.Start)) error {
	t.Helper()
	return begin(t, s, in, func(start *cdc.Start) {
		start.Once = true
		if adapt != nil {
			adapt(start)
		}
	}).finish()
}

// firstRead reads the tables of a source once, from nothing.
func firstRead(t *testing.T, o postgres.Options) *cdctest.Inlet {
	t.Helper()
	in := cdctest.NewInlet()
	if err := once(t, source(t, o), in, nil); err != nil {
		t.Fatal(err)
	}
	return in
}

// folded are the rows that the changes so far add up to, by "collection/key", each field as text. What is left
// out keeps the value that the row had, as in the engine.
func folded(t *testing.T, puts []cdctest.Put) map[string]string {
	t.Helper()
	rows := map[string]cdc.Row{}
	for _, p := range puts {
		prefix := fmt.Sprintf("%d/", p.Collection)
		name := prefix + p.Key.Text()
		switch p.Op {
		case cdc.Delete:
			delete(rows, name)
		case cdc.Truncate:
			maps.DeleteFunc(rows, func(k string, _ cdc.Row) bool { return strings.HasPrefix(k, prefix) })
		case cdc.Reject:
			t.Errorf("%s is rejected: %s", name, p.Cause.Message)
		default:
			before := rows[name]
			if len(p.From) > 0 {
				before = rows[prefix+p.From.Text()]
			}
			rows[name] = fill(t, name, before, p.After)
		}
	}
	texts := make(map[string]string, len(rows))
	for name, row := range rows {
		texts[name] = text(row)
	}
	return texts
}

func fill(t *testing.T, name string, before, after cdc.Row) cdc.Row {
	t.Helper()
	var b cdc.RowBuilder
	for i := range after.Len() {
		v := after.At(i)
		if v.State == cdc.Unchanged {
			if before == nil {
				t.Errorf("%s: field %d was not sent, and no earlier row holds it", name, i)
				b.Null()
				continue
			}
			v = before.At(i)
		}
		b.Value(v)
	}
	return b.Build()
}

func text(r cdc.Row) string {
	var parts []string
	for i := range r.Len() {
		v := r.At(i)
		if v.State == cdc.Null {
			parts = append(parts, "NULL")
		} else {
			parts = append(parts, fmt.Sprintf("%x", v.Raw))
		}
	}
	return strings.Join(parts, "|")
}
