package pgvector_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// throughProxy puts a proxy between a sink and its server.
func throughProxy(t *testing.T, d *docs) *testenv.Proxy {
	t.Helper()
	p := testenv.NewProxy(t, d.bed.database.Server.Addr())
	d.bed.options.DSN = d.bed.database.DSNThrough(p.Addr())
	t.Cleanup(d.close) // before the proxy ends
	return p
}

// I3: a range whose ack was lost, or that was cut off anywhere, is applied again and counts once.
func TestACutConnectionLosesAndDoublesNothing(t *testing.T) {
	places := []struct {
		name string
		set  func(p *testenv.Proxy) func(testing.TB)
		rows int
		held bool // the server has committed all the same
	}{
		{"before the lock on a record that is known", func(p *testenv.Proxy) func(testing.TB) { return p.CutBefore("freshet_record") }, 10, false},
		{"behind the lock on a record that is known", func(p *testenv.Proxy) func(testing.TB) { return p.CutAfter("freshet_record") }, 10, false},
		{"before the lock on the record of a load", func(p *testenv.Proxy) func(testing.TB) { return p.CutBefore("FOR UPDATE") }, 2000, false},
		{"behind the lock on the record of a load", func(p *testenv.Proxy) func(testing.TB) { return p.CutAfter("FOR UPDATE") }, 2000, false},
		{"before the rows", func(p *testenv.Proxy) func(testing.TB) { return p.CutBefore("upsert_0") }, 10, false},
		{"behind the rows", func(p *testenv.Proxy) func(testing.TB) { return p.CutAfter("upsert_0") }, 10, false},
		{"in the middle of a load", func(p *testenv.Proxy) func(testing.TB) { return p.CutBefore("body 1500") }, 2000, false},
		{"behind a load", func(p *testenv.Proxy) func(testing.TB) { return p.CutAfter("RETURNING xmax = 0 AS fresh") }, 2000, false},
		{"before the commit", func(p *testenv.Proxy) func(testing.TB) { return p.CutBefore("; COMMIT") }, 10, false},
		{"behind the commit: the ack is lost", func(p *testenv.Proxy) func(testing.TB) { return p.CutAfter("; COMMIT") }, 10, true},
	}
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			p := throughProxy(t, d)
			d.open()
			d.apply(row{id: 1, body: "old"}, row{id: 100_000, body: "gone soon"})
			epoch := d.epoch + 1
			txn := d.txn(epoch, append(many(place.rows, "body"), row{id: 100_000, body: absent{}})...)
			sprung := place.set(p)
			if err := d.writer.Apply(t.Context(), txn); err == nil || errors.Is(err, stream.ErrLost) || errors.Is(err, stream.ErrFenced) {
				t.Fatalf("an Apply that was cut ends with %v", err)
			}
			sprung(t)
			want := "2|old"
			if place.held {
				want = fmt.Sprintf("%d|body 1", place.rows)
			}
			if got := d.bed.database.Text(t, "SELECT count(*), min(body) FILTER (WHERE id = 1) FROM docs"); got != want {
				t.Errorf("after the cut the table has %s, want %s", got, want)
			}
			for range 2 {
				if err := d.writer.Apply(t.Context(), txn); err != nil {
					t.Fatalf("apply again: %v", err)
				}
				want = fmt.Sprintf("%d|body 1|%d", place.rows, d.target.Generation<<40|epoch)
				if got := d.bed.database.Text(t, "SELECT count(*), min(body) FILTER (WHERE id = 1), min(_version) FROM docs"); got != want {
					t.Errorf("applied again the table has %s, want %s", got, want)
				}
			}
			if got := d.writer.(stream.Counter).Rows(); got != int64(place.rows) {
				t.Errorf("%d rows are counted of %d", got, place.rows)
			}
		})
	}
}

// What a person has to mend is named by an Apply as it is by an opening, and the rows come when it is mended.
func TestWhatTheServerRefusesWhileRowsComeIsNamedAsAtTheStart(t *testing.T) {
	for _, test := range []struct{ name, refuse, mend, code string }{
		{"the rights to the table", "REVOKE ALL ON docs FROM %s", "GRANT ALL ON docs TO %s", "rights"},
		{"the right to log in", "ALTER ROLE %s NOLOGIN", "ALTER ROLE %s LOGIN", "access_denied"},
		{"the right to the database", "REVOKE CONNECT ON DATABASE %s FROM PUBLIC", "GRANT CONNECT ON DATABASE %s TO PUBLIC", "rights"},
		{"the database", "UPDATE pg_database SET datname = 'away_%s' WHERE datname = '%s'", "UPDATE pg_database SET datname = '%s' WHERE datname = 'away_%s'", "no_database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			role := d.bed.database.Name
			conn := d.bed.database.Connect(t) // it stays, whatever becomes of the database's name
			command := func(text string) {
				if _, err := conn.PgConn().Exec(t.Context(), strings.ReplaceAll(text, "%s", role)).ReadAll(); err != nil {
					t.Fatal(err)
				}
			}
			command("CREATE ROLE %s LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO %s")
			d.bed.options.DSN = d.bed.database.DSNAs(role, "")
			d.open()
			d.apply(row{id: 1, body: "old"})
			command(test.refuse + "; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'")
			txn := d.txn(d.epoch+1, row{id: 1, body: "new"})
			err := d.writer.Apply(t.Context(), txn)
			if !errors.As(err, new(*stream.Problem)) { // it may be that the session was ended
				err = d.writer.Apply(t.Context(), txn)
			}
			problem, ok := errors.AsType[*stream.Problem](err)
			if !ok || problem.Code != test.code || problem.Hint == "" {
				t.Errorf("an Apply ends with %v (%+v), want %s", err, problem, test.code)
			}
			command(test.mend)
			if err := d.writer.Apply(t.Context(), txn); err != nil {
				t.Errorf("apply when it is mended: %v", err)
			}
			d.has("in the end", "1|new")
		})
	}
}

// I9: a server that says nothing any more does not hold the flow for ever.
func TestASilentServerIsGivenUp(t *testing.T) {
	for name, silence := range map[string]func(*testenv.Proxy){"nothing passes": (*testenv.Proxy).Stall, "no answer passes": (*testenv.Proxy).HalfOpen} {
		t.Run(name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			p := throughProxy(t, d)
			d.bed.options.Timeout = time.Second
			d.open()
			silence(p)
			txn := d.txn(2, row{id: 1, body: "new"})
			if err := d.writer.Apply(t.Context(), txn); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("an Apply over a silent line ends with %v", err)
			}
			p.Cut()
			p.Heal()
			err := d.writer.Apply(t.Context(), txn)
			for errors.Is(err, context.DeadlineExceeded) { // as the engine does: the machine may be slow
				err = d.writer.Apply(t.Context(), txn)
			}
			if err != nil {
				t.Errorf("apply when the line speaks again: %v", err)
			}
			d.has("in the end", "1|new")
		})
	}
}

// I3, I8: the server is killed again and again while ranges come; the table ends as a map does, and a reader that
// looks after every start sees whole epochs.
func TestAServerThatIsKilledUnderLoadEndsRight(t *testing.T) {
	server := testenv.Postgres(t, testenv.PostgresOptions{Own: true})
	d := &docs{t: t, bed: &bed{t: t, database: server.Database(t), make: pgvector.NewTable}, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
	d.bed.options.DSN = d.bed.database.DSN()
	d.open()
	defer d.close()
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[int64]string{}
	const kills = 5
	for range kills {
		var killing sync.WaitGroup
		killed := make(chan struct{})
		killing.Go(func() {
			server.Kill(t)
			close(killed)
		})
		for failed := false; !failed; {
			d.epoch++
			var rows []row
			for _, i := range rng.Perm(50)[:1+rng.IntN(20)] {
				r := row{id: int64(i), body: fmt.Sprintf("epoch %d", d.epoch)}
				if rng.IntN(4) == 0 {
					r.body = absent{}
				}
				rows = append(rows, r)
			}
			txn := d.txn(d.epoch, rows...)
			if failed = d.writer.Apply(t.Context(), txn) != nil; failed {
				<-killed
				server.Start(t)
				if err := d.writer.Apply(t.Context(), txn); err != nil {
					t.Fatalf("apply epoch %d after the crash: %v", d.epoch, err)
				}
			}
			for _, r := range rows {
				if body, ok := r.body.(string); ok {
					want[r.id] = body
				} else {
					delete(want, r.id)
				}
			}
		}
		killing.Wait()
	}
	got := map[int64]string{}
	for _, r := range d.bed.database.Rows(t, "SELECT id, body FROM docs") {
		var id int64
		if _, err := fmt.Sscan(r[0], &id); err != nil {
			t.Fatal(err)
		}
		got[id] = r[1]
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after %d kills the table has %v, want %v", kills, got, want)
	}
	d.target.Epoch = d.epoch
	if p := d.open(); p.Wiped || p.Epoch != d.epoch {
		t.Errorf("after %d kills the progress is %+v, want epoch %d", kills, p, d.epoch)
	}
}
