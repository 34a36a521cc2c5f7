package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/internal/testenv"
)

// peak is the most memory that a process has had resident, in bytes.
func peak(t testing.TB, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("this system does not tell what a process has used: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel tells no peak")
	return 0
}

// await asks from time to time.
func await(t testing.TB, most time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(most / 1000)
	defer tick.Stop()
	end := time.After(most)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("wait for %s: %v passed", what, most)
		}
	}
}

// TestAGiantTransactionStaysWithinItsLimits proves case 16 and scenario 1 for the whole program (I9, I11): one transaction of a million
// rows, ten million in a soak, under limits.memory of 512 MiB and a wal_sender_timeout of 5 s: the server never gives the
// connection up, the sink is complete and sees a million rows as a whole, and the small change right behind comes last.
func TestAGiantTransactionStaysWithinItsLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes a million rows")
	}
	rows, whole := 1_000_000, true
	if os.Getenv("FRESHET_SOAK") != "" {
		rows, whole = 10_000_000, false // more than the outbox may hold: the sink is brought up by its keys, in coarse cuts
	}
	const limit = 512 << 20
	s := testenv.Postgres(t, testenv.PostgresOptions{Own: true, Settings: map[string]string{"wal_sender_timeout": "'5s'", "max_wal_size": "'8GB'"}})
	db, mirror := s.Database(t), s.Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, n int, body text); INSERT INTO docs VALUES (0, 0, 'before')")
	e := newEngine(t, fmt.Sprintf(`flow: giant
limits: {memory: 512MiB, disk_free: 1MiB}
sources:
  src: {postgres: {dsn: %q, table: public.docs}}
sinks:
  mirror: {from: src, postgres: {dsn: %q, table: docs}}
`, db.DSN(), mirror.DSN()))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c, said := e.start(ctx, "--addr", "127.0.0.1:0")
	inSink := func(sql string) string {
		if mirror.Text(t, "SELECT to_regclass('docs') IS NULL") == "t" {
			return ""
		}
		return mirror.Text(t, sql)
	}
	await(t, 2*time.Minute, "the first row", func() bool { return inSink("SELECT count(*) FROM docs") == "1" })
	begun := time.Now()
	db.Exec(t, fmt.Sprintf("INSERT INTO docs SELECT i, i, md5(i::text) FROM generate_series(1, %d) i", rows))
	db.Exec(t, "UPDATE docs SET n = -1 WHERE id = 7")
	written := time.Since(begun)
	// The sink either has none of it or all of it; the update of one of its rows comes behind.
	await(t, time.Hour, "the transaction in the sink", func() bool {
		n := inSink("SELECT count(*) FROM docs")
		if whole && n != "1" && n != strconv.Itoa(rows+1) {
			t.Fatalf("the sink was seen with %s rows", n)
		}
		return n == strconv.Itoa(rows+1)
	})
	took := time.Since(begun)
	await(t, 2*time.Minute, "the change behind it", func() bool { return inSink("SELECT n FROM docs WHERE id = 7") == "-1" })
	used := peak(t, c.Process.Pid)
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("the program ended with %v\n%s", err, said)
	}
	if used > limit {
		t.Errorf("the program had %d MiB resident, its limit is %d", used>>20, limit>>20)
	}
	if log := s.Log(); strings.Contains(log, "replication timeout") {
		t.Error("the server gave the connection up")
	}
	t.Logf("%d rows: written in %v, in the sink after %v, %d MiB resident at most", rows, written.Round(time.Millisecond), took.Round(time.Millisecond), used>>20)
}
