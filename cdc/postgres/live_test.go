package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// TestABlockedFlowKeepsItsConnection proves case 8: while nothing is taken for longer than the server waits for a
// sign of life, the connection lives, and the server is not told more than is durable (I1, I9).
func TestABlockedFlowKeepsItsConnection(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_sender_timeout": "'1s'"}})
	db := s.Database(t)
	db.Exec(t, rowsOf(5))
	o := options(db, "docs")
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	live.reach(db)
	db.Exec(t, "SELECT pg_sleep(0.3)")
	before := db.Text(t, "SELECT active_pid, confirmed_flush_lsn FROM pg_replication_slots")
	in.Hold()
	db.Exec(t, "INSERT INTO docs SELECT i, i, repeat('x', 500), '' FROM generate_series(100, 30000) i")
	live.wait("a Put that waits", func() bool { return in.Waiting() > 0 })
	db.Exec(t, "SELECT pg_sleep(3.5)")
	if after := db.Text(t, "SELECT active_pid, confirmed_flush_lsn FROM pg_replication_slots"); after != before {
		t.Errorf("the slot was at %s, and is at %s", before, after)
	}
	in.Release()
	live.reach(db)
	if n := len(folded(t, in.Puts())); n != 5+29_901 {
		t.Errorf("%d rows", n)
	}
	live.end()
}

// TestAServerThatStopsAndComesBack proves case 10: a fast stop is not held up by the stream, a crash repeats
// nothing, and the flow goes on by itself.
func TestAServerThatStopsAndComesBack(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{Own: true})
	db := s.Database(t)
	db.Exec(t, rowsOf(5))
	in := cdctest.NewInlet()
	live := begin(t, source(t, options(db, "docs")), in, nil)
	live.caught()
	for i, stop := range []func(testing.TB){s.Stop, s.Kill, s.Kill} {
		db.Exec(t, fmt.Sprintf("INSERT INTO docs VALUES (%d)", 100+i))
		begun := time.Now()
		stop(t)
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("the server took %v to stop", took)
		}
		live.wait("a word on the server's absence", func() bool { return in.Hindrance() != nil })
		s.Start(t)
		db.Exec(t, fmt.Sprintf("INSERT INTO docs VALUES (%d)", 200+i))
		live.reach(db)
		live.wait("that nothing hinders any more", func() bool { return in.Hindrance() == nil })
	}
	if n := len(in.Puts()); n != 5+6 {
		t.Errorf("%d changes, want 11: each once", n)
	}
	live.end()
}

// TestConnectionsThatAreCut proves case 9: cut and ended connections lose and repeat nothing.
func TestConnectionsThatAreCut(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5))
	proxy := testenv.NewProxy(t, db.Server.Addr())
	o := options(db, "docs")
	o.DSN = db.DSNThrough(proxy.Addr())
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	for i := range 6 {
		db.Exec(t, fmt.Sprintf("INSERT INTO docs SELECT i FROM generate_series(%d, %d) i", 1000*(i+1), 1000*(i+1)+300))
		if i%2 == 0 {
			proxy.Cut()
		} else {
			db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'freshet' AND datname = current_database()")
		}
		db.Exec(t, fmt.Sprintf("UPDATE docs SET n = %d WHERE id = %d", i, 1000*(i+1)))
	}
	live.reach(db)
	if diff := cmp.Diff(present(t, options(db, "docs")), folded(t, in.Puts())); diff != "" {
		t.Error(diff)
	}
	live.end()
}

// TestAHalfOpenConnectionIsGivenUp proves case 9: a server that has fallen silent is noticed.
func TestAHalfOpenConnectionIsGivenUp(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, rowsOf(5))
	proxy := testenv.NewProxy(t, db.Server.Addr())
	o := options(db, "docs")
	o.DSN = db.DSNThrough(proxy.Addr())
	o.StatusEvery, o.Liveness = 100*time.Millisecond, time.Second
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	proxy.HalfOpen()
	live.wait("a word on the silence", func() bool { return in.Hindrance() != nil })
	proxy.Cut()
	proxy.Heal()
	db.Exec(t, "INSERT INTO docs VALUES (100)")
	live.reach(db)
	if n := len(in.Puts()); n != 6 {
		t.Errorf("%d changes, want 6", n)
	}
	live.end()
}

// TestAdjacentCommitsAreEachReadOnce proves cases 3 and 4: commit records that touch, rows of one COPY that share a
// place, and restarts at every place between them.
func TestAdjacentCommitsAreEachReadOnce(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, docs)
	in := cdctest.NewInlet()
	o := options(db, "docs")
	if err := once(t, source(t, o), in, nil); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range 4 {
		c := db.Connect(t)
		writers.Go(func() {
			for i := range 300 {
				if _, err := c.Exec(t.Context(), "INSERT INTO docs (id) VALUES ($1)", w*10_000+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	db.Exec(t, "COPY docs (id, n) FROM PROGRAM 'seq 100000 104999 | sed s/$/,1/' WITH (FORMAT csv)")
	seen := map[string]int{}
	for range 40 {
		live := begin(t, source(t, o), in, nil)
		live.wait("some changes, or the end", func() bool { return len(in.Puts()) > 20 || in.Caught() > 0 })
		done := in.Caught() > 0
		live.stop()
		live.work.Wait()
		at := in.Position()
		for _, p := range in.Puts() {
			if p.Position != "" && p.Position <= at {
				seen[p.Key.Text()]++
			}
		}
		in = in.Crash()
		if done {
			break
		}
	}
	if err := once(t, source(t, o), in, nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range in.Puts() {
		seen[p.Key.Text()]++
	}
	twice := 0
	for _, n := range seen {
		if n != 1 {
			twice++
		}
	}
	if len(seen) != 1200+5000 || twice != 0 {
		t.Errorf("%d keys, %d of them more than once; want 6200, each once", len(seen), twice)
	}
}

// writer changes random rows, also several tables and keys in one transaction.
func writer(ctx context.Context, c *pgx.Conn, random *rand.Rand, rounds int) error {
	id := func() int { return random.IntN(60) }
	statement := func() string {
		switch random.IntN(12) {
		case 0, 1, 2:
			return fmt.Sprintf("INSERT INTO docs VALUES (%d, %d, %s, 'i') ON CONFLICT (id) DO UPDATE SET n = docs.n + 1", id(), id(), big(fmt.Sprint(id())))
		case 3, 4:
			return fmt.Sprintf("UPDATE docs SET n = n + 1 WHERE id = %d", id())
		case 5:
			return fmt.Sprintf("UPDATE docs SET body = %s WHERE id = %d", big(fmt.Sprint(id())), id())
		case 6:
			return fmt.Sprintf("DELETE FROM docs WHERE id = %d", id())
		case 7:
			return fmt.Sprintf("UPDATE docs SET id = %d WHERE id = %d AND NOT EXISTS (SELECT FROM docs WHERE id = %[1]d)", id(), id())
		case 8:
			return fmt.Sprintf("INSERT INTO pairs VALUES ('k%d', 'en', %d, 1.5) ON CONFLICT (k, lang) DO UPDATE SET v = excluded.v", id(), id())
		case 9:
			return fmt.Sprintf("UPDATE pairs SET lang = CASE lang WHEN 'en' THEN 'de' ELSE 'en' END WHERE k = 'k%d'", id())
		case 10:
			return fmt.Sprintf("DELETE FROM pairs WHERE k = 'k%d'", id())
		}
		if random.IntN(15) > 0 {
			return "SAVEPOINT s; DELETE FROM docs WHERE id < 5; ROLLBACK TO s"
		}
		return "TRUNCATE pairs"
	}
	for range rounds {
		parts := []string{"BEGIN"}
		for range 1 + random.IntN(4) {
			parts = append(parts, statement())
		}
		end := "COMMIT"
		if random.IntN(6) == 0 {
			end = "ROLLBACK"
		}
		_, err := c.PgConn().Exec(ctx, strings.Join(append(parts, end), ";")).ReadAll()
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Two writers that met in one key or waited for each other: the transaction is void.
		if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
	return nil
}

// TestRandomWritersEndEqual proves case 1 and 2: from the first rows on, under writers, restarts at random with what
// was not durable lost, and cut connections, the changes add up to the tables (I1, I4, I11).
func TestRandomWritersEndEqual(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, docs+"CREATE TABLE pairs (k text, lang text, v int, n numeric, PRIMARY KEY (k, lang));"+
		"INSERT INTO docs SELECT i, i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j), 'x' FROM generate_series(0, 59, 2) i;"+
		"ALTER DATABASE "+db.Name+" SET logical_decoding_work_mem = '64kB';")
	o := options(db, "docs", "pairs")
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	var writers sync.WaitGroup
	for w := range 4 {
		c := db.Connect(t)
		writers.Go(func() {
			if err := writer(t.Context(), c, rand.New(rand.NewPCG(uint64(w), 7)), rounds); err != nil {
				t.Error(err)
			}
		})
	}
	in := cdctest.NewInlet()
	var durable []cdctest.Put
	keep := func() {
		at := in.Position()
		for _, p := range in.Puts() {
			if p.Position != "" && p.Position <= at {
				durable = append(durable, p)
			}
		}
	}
	for i := range 5 {
		live := begin(t, source(t, o), in, nil)
		live.wait("changes", func() bool { return len(in.Puts()) > 30*(i+1) || in.Caught() > 0 })
		in.Defer() // what comes now is lost
		if i%2 == 0 {
			db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'freshet' AND datname = current_database()")
		}
		live.end()
		keep()
		in = in.Crash()
	}
	writers.Wait()
	if err := once(t, source(t, o), in, nil); err != nil {
		t.Fatal(err)
	}
	keep()
	if diff := cmp.Diff(present(t, o), folded(t, durable)); diff != "" {
		t.Error(diff)
	}
	for i, p := range durable {
		if p.Op == cdc.Reject || i > 0 && p.Position < durable[i-1].Position {
			t.Fatalf("change %d: %v at %x behind %x", i, p.Op, p.Position, durable[max(i-1, 0)].Position)
		}
	}
}

// gauge is an inlet that counts changes and watches memory.
type gauge struct {
	source  *postgres.Source
	changes int
	puts    int
	largest int64
	heap    uint64
	problem error
}

func (g *gauge) Put(ctx context.Context, b *cdc.Batch) error {
	g.changes += b.Len()
	g.largest = max(g.largest, b.Bytes())
	if txns := b.Txns(); len(txns) > 0 {
		return g.source.Confirm(ctx, txns[len(txns)-1].Position)
	}
	if g.puts++; g.puts%16 == 0 {
		g.heap = max(g.heap, heap())
	}
	return nil
}

// heap is what is in use, without what nobody refers to any more.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (g *gauge) Batch() *cdc.Batch              { return new(cdc.Batch) }
func (g *gauge) CaughtUp(context.Context) error { return nil }
func (g *gauge) Problem(err error)              { g.problem = errors.Join(g.problem, err) }

// TestALargeTransactionTakesNoMemory proves case 16 and scenario 1 for the source (I9): a transaction that is sent in parts
// waits in a file, and is put in batches of bounded size. FRESHET_SOAK=1 makes it a million rows.
func TestALargeTransactionTakesNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a large transaction")
	}
	rows := 150_000
	if os.Getenv("FRESHET_SOAK") != "" {
		rows = 1_000_000
	}
	s := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_sender_timeout": "'5s'", "max_wal_size": "'4GB'"}})
	db := s.Database(t)
	db.Exec(t, docs)
	o := options(db, "docs")
	o.SpillDir = t.TempDir()
	in := firstRead(t, o)
	db.Exec(t, fmt.Sprintf("INSERT INTO docs SELECT i, i, repeat(md5(i::text), 12), '' FROM generate_series(1, %d) i", rows))
	reader := source(t, o)
	g := &gauge{source: reader}
	before := heap()
	if err := reader.Run(t.Context(), cdc.Start{Resume: in.Position(), Once: true}, g); err != nil {
		t.Fatal(err)
	}
	if g.changes != rows || g.problem != nil {
		t.Errorf("%d of %d rows; %v", g.changes, rows, g.problem)
	}
	if g.largest > 3<<20 || g.heap > before+32<<20 {
		t.Errorf("the largest batch has %d bytes, the heap %d, and %d before", g.largest, g.heap, before)
	}
	t.Logf("%d rows, largest batch %d bytes, heap %d KiB more at most", rows, g.largest, (int64(g.heap)-int64(before))>>10)
	left, err := os.ReadDir(o.SpillDir)
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
}
