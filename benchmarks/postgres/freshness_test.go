package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/internal/testenv"
)

// documents is how many rows stand in the table before the commits that are measured.
const documents = 5000

// A probe leaves the processors to the program for a while when it has not found a commit, and when it has found one: its
// questions are not what is measured.
const (
	unfoundPause = 250 * time.Microsecond
	foundPause   = 5 * time.Millisecond
)

// measured is how long commits come.
const measured = 10 * time.Second

// freshnesses are sinks and the rates of commits that they are measured at.
func freshnesses() []struct {
	name, sink string
	rate       int
} {
	return []struct {
		name, sink string
		rate       int
	}{
		{"pgvector hnsw", "pgvector: {dsn: %q, table: chunks, index: hnsw}", 100},
		{"pgvector without an index", "pgvector: {dsn: %q, table: chunks, index: none}", 1000},
		{"embedded index", "vector: {}", 1000},
	}
}

// BenchmarkFreshness measures the time from a commit of one row to its being found by a search, with the built-in
// embedder. A probe asks for one commit after the other from outside of the program; what
// the program says of itself, of all commits, stands beside it.
func BenchmarkFreshness(b *testing.B) {
	for _, x := range freshnesses() {
		b.Run(x.name, func(b *testing.B) {
			s := testenv.Postgres(b, testenv.PostgresOptions{Major: 18, Own: true})
			db, target := s.Database(b), s.Database(b)
			target.Exec(b, "CREATE EXTENSION vector")
			db.Exec(b, fmt.Sprintf("CREATE TABLE docs (id int PRIMARY KEY, n bigint NOT NULL, body text); INSERT INTO docs SELECT i, 0, 'document ' || md5(i::text) || ' about ' || md5((i * 7)::text) FROM generate_series(1, %d) i", documents))
			sink := x.sink
			if x.sink != "vector: {}" {
				sink = fmt.Sprintf(sink, target.DSN())
			}
			e := newEngine(b, fmt.Sprintf(`flow: fresh
limits: {memory: 256MiB, disk_free: 1MiB}
sources:
  src: {postgres: {dsn: %q, table: public.docs}}
steps:
  vectors: {from: src, embed: {model: builtin, text: row.body}}
sinks:
  index: {from: vectors, columns: [id, n], %s}
`, db.DSN(), sink))
			for b.Loop() {
				run := &freshness{b: b, db: db, target: target, rate: x.rate, address: freeAddress(b)}
				run.find = run.bySQL
				if x.sink == "vector: {}" {
					run.find = run.bySearch
				}
				run.measure(e)
			}
		})
	}
}

func freeAddress(b *testing.B) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// freshness is one measurement.
type freshness struct {
	b          *testing.B
	db, target *testenv.PostgresDatabase
	rate       int
	address    string
	find       func(ctx context.Context, c *pgx.Conn, x commit) (bool, error)
}

// commit is a row that was committed at a time.
type commit struct {
	id int
	n  int64
	at time.Time
}

func bodyOf(id int, n int64) string { return fmt.Sprintf("document %d in its version %d", id, n) }

func (f *freshness) measure(e *engine) {
	ctx, stop := context.WithCancel(f.b.Context())
	defer stop()
	c, said := e.start(ctx, "--addr", f.address)
	await(f.b, 2*time.Minute, "readiness", func() bool {
		reply, err := http.Get("http://" + f.address + "/readyz")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
	before := cpuOf(f.b, c.Process.Pid)
	commits := make(chan commit, 1)
	var work sync.WaitGroup
	var delays []time.Duration
	var late int
	work.Go(func() { delays = f.probe(ctx, commits) })
	const writers = 4
	var writing sync.WaitGroup
	var mu sync.Mutex
	for w := range writers {
		conn := f.db.Connect(f.b)
		writing.Go(func() {
			missed := f.write(conn, w, writers, commits)
			mu.Lock()
			defer mu.Unlock()
			late += missed
		})
	}
	writing.Wait()
	close(commits)
	work.Wait()
	own, spent := f.status(), cpuOf(f.b, c.Process.Pid)-before
	if err := c.Process.Signal(os.Interrupt); err != nil {
		f.b.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		f.b.Errorf("the program ended with %v\n%s", err, said)
	}
	if len(delays) == 0 {
		f.b.Fatal("nothing was found")
	}
	slices.Sort(delays)
	at := func(share float64) float64 {
		return float64(delays[min(int(share*float64(len(delays))), len(delays)-1)].Microseconds()) / 1e3
	}
	f.b.ReportMetric(at(0.5), "p50-ms")
	f.b.ReportMetric(at(0.99), "p99-ms")
	f.b.ReportMetric(own.P50, "own-p50-ms")
	f.b.ReportMetric(own.P99, "own-p99-ms")
	f.b.ReportMetric(float64(len(delays)), "probes")
	f.b.ReportMetric(float64(late), "late-commits")
	f.b.ReportMetric(float64(spent.Microseconds())/float64(int64(f.rate)*int64(measured/time.Second)-int64(late)), "µsCPU/commit")
	f.b.ReportMetric(0, "ns/op")
}

// cpuOf is the time that a process has spent.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("this system does not tell what a process has spent: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] { // of the user's and the system's time, in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// write commits at its share of the rate, and counts the commits that it was late for.
func (f *freshness) write(conn *pgx.Conn, w, writers int, commits chan<- commit) (late int) {
	pace := time.NewTicker(time.Second * time.Duration(writers) / time.Duration(f.rate))
	defer pace.Stop()
	random := rand.New(rand.NewPCG(uint64(w), 3))
	begun, n := time.Now(), int64(0)
	for time.Since(begun) < measured {
		<-pace.C
		n++
		id := 1 + w + writers*random.IntN(documents/writers)
		version := time.Since(begun).Nanoseconds() + n
		if _, err := conn.Exec(f.b.Context(), "UPDATE docs SET n = $2, body = $3 WHERE id = $1", id, version, bodyOf(id, version)); err != nil {
			f.b.Error(err)
			return late
		}
		select {
		case commits <- commit{id, version, time.Now()}:
		default: // the probe is busy
		}
	}
	return int(int64(f.rate)*int64(measured/time.Second)/int64(writers) - n)
}

// probe asks for one commit after the other until it is found.
func (f *freshness) probe(ctx context.Context, commits <-chan commit) (delays []time.Duration) {
	conn, err := pgx.Connect(ctx, f.target.DSN())
	if err != nil {
		f.b.Error(err)
		return nil
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for x := range commits {
		if time.Since(x.at) > time.Millisecond {
			continue // it has waited in the channel
		}
		for found := false; !found; {
			if found, err = f.find(ctx, conn, x); err != nil {
				f.b.Error(err)
				return delays
			}
			if time.Since(x.at) > 30*time.Second {
				f.b.Errorf("row %d of version %d is not found", x.id, x.n)
				return delays
			}
			if !found && idle.For(ctx, unfoundPause) != nil {
				return delays
			}
		}
		delays = append(delays, time.Since(x.at))
		if idle.For(ctx, foundPause) != nil {
			break
		}
	}
	return delays
}

func (f *freshness) bySQL(ctx context.Context, c *pgx.Conn, x commit) (bool, error) {
	var found bool
	err := c.QueryRow(ctx, "SELECT EXISTS (SELECT FROM chunks WHERE id = $1 AND n >= $2)", x.id, x.n).Scan(&found)
	return found, err
}

// bySearch asks the program for the text that was committed. Nothing is nearer to it than its own row, unless a version
// came behind it; so a condition, for which a search reads every row while none matches, is only put to it after a while.
func (f *freshness) bySearch(ctx context.Context, _ *pgx.Conn, x commit) (bool, error) {
	ask := map[string]any{"text": bodyOf(x.id, x.n), "k": 5}
	if time.Since(x.at) > time.Second {
		ask["where"] = fmt.Sprintf("row.id == %d && row.n >= %d", x.id, x.n)
	}
	question, err := json.Marshal(ask)
	if err != nil {
		return false, err
	}
	var answer struct {
		Data struct {
			Hits []struct {
				Row struct {
					ID int   `json:"id"`
					N  int64 `json:"n"`
				} `json:"row"`
			} `json:"hits"`
		} `json:"data"`
	}
	if err := f.ask(ctx, http.MethodPost, "/api/v1/search", question, &answer); err != nil {
		return false, err
	}
	for _, h := range answer.Data.Hits {
		if h.Row.ID == x.id && h.Row.N >= x.n {
			return true, nil
		}
	}
	return false, nil
}

// percentiles are what the program says of the time from commits to acks.
type percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

func (f *freshness) status() percentiles {
	var status struct {
		Data struct {
			Sinks map[string]struct {
				Freshness percentiles `json:"freshness_ms"`
			} `json:"sinks"`
		} `json:"data"`
	}
	if err := f.ask(f.b.Context(), http.MethodGet, "/api/v1/status", nil, &status); err != nil {
		f.b.Fatal(err)
	}
	return status.Data.Sinks["index"].Freshness
}

func (f *freshness) ask(ctx context.Context, method, path string, body []byte, into any) error {
	q, err := http.NewRequestWithContext(ctx, method, "http://"+f.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: status %d", method, path, reply.StatusCode)
	}
	return json.NewDecoder(reply.Body).Decode(into)
}
