package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/internal/testenv"
)

// engine is the program, built for a test, with a flow.
type engine struct {
	t            testing.TB
	binary, flow string
}

func newEngine(t testing.TB, flow string) *engine {
	t.Helper()
	dir := t.TempDir()
	e := &engine{t: t, binary: filepath.Join(dir, "freshet"), flow: filepath.Join(dir, "flow.yaml")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", e.binary, "github.com/freshet/freshet/cmd/freshet")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	if err := os.WriteFile(e.flow, []byte(flow), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

// start runs the program with the flow; its words on standard error are kept.
func (e *engine) start(ctx context.Context, arguments ...string) (*exec.Cmd, *bytes.Buffer) {
	e.t.Helper()
	said := &bytes.Buffer{}
	c := exec.CommandContext(ctx, e.binary, append([]string{"run", e.flow}, arguments...)...)
	c.Stderr, c.WaitDelay = said, 5*time.Second
	if err := c.Start(); err != nil {
		e.t.Fatal(err)
	}
	return c, said
}

// exitUnavailable is the program's word that a server cannot be reached at its start.
const exitUnavailable = 3

// killed runs the program and kills it, again and again, until ctx ends. It counts the kills. An end by itself is a fault,
// but for a start at which the server is down.
func (e *engine) killed(ctx context.Context, every time.Duration) (kills int, err error) {
	for ctx.Err() == nil {
		life, stop := context.WithTimeout(ctx, every) // then SIGKILL
		c, said := e.start(life, "--addr", "127.0.0.1:0")
		err := c.Wait()
		early := life.Err() == nil
		stop()
		if early && c.ProcessState.ExitCode() == exitUnavailable {
			continue
		}
		if early {
			return kills, fmt.Errorf("the program ended by itself: %w\n%s", err, said)
		}
		kills++
	}
	return kills, nil
}

// once runs the program until it has caught up.
func (e *engine) once() {
	e.t.Helper()
	ctx, stop := context.WithTimeout(e.t.Context(), 10*time.Minute)
	defer stop()
	c, said := e.start(ctx, "--once", "--addr", "127.0.0.1:0")
	if err := c.Wait(); err != nil {
		e.t.Fatalf("run --once: %v\n%s", err, said)
	}
}

// balances are the sums by branch, of every table of pgbench's bank.
const balances = `SELECT 'accounts', bid, count(*), sum(abalance) FROM pgbench_accounts GROUP BY bid
UNION ALL SELECT 'tellers', bid, count(*), sum(tbalance) FROM pgbench_tellers GROUP BY bid
UNION ALL SELECT 'branches', bid, count(*), sum(bbalance) FROM pgbench_branches GROUP BY bid
UNION ALL SELECT 'history', bid, count(*), sum(delta) FROM pgbench_history GROUP BY bid ORDER BY 1, 2`

// TestABankUnderKillsStaysBalanced runs the TPC-B load of pgbench, with the engine killed all the while and the server once: the
// sums by branch in the sink end as those of the database, and in the sink itself all four tables agree (I1, I3, I11).
func TestABankUnderKillsStaysBalanced(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills the engine under load for seconds")
	}
	scale, clients, seconds, rate, every := "1", "4", 3, "300", 1500*time.Millisecond
	if os.Getenv("FRESHET_SOAK") != "" {
		scale, clients, seconds, rate, every = "10", "8", 30, "100000", 3*time.Second
	}
	s := testenv.Postgres(t, testenv.PostgresOptions{Own: true, Settings: map[string]string{"max_wal_size": "'4GB'"}})
	db, mirror := s.Database(t), testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	pgbench := func(arguments ...string) error {
		out, err := s.Command(t, db.Name, "pgbench", arguments...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pgbench %v: %w\n%s", arguments, err, out)
		}
		return nil
	}
	if err := pgbench("-i", "-q", "-s", scale); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "ALTER TABLE pgbench_history ADD id bigserial PRIMARY KEY")
	e := newEngine(t, fmt.Sprintf(`flow: bank
limits: {memory: 256MiB, disk_free: 1MiB}
sources:
  src:
    postgres:
      dsn: %q
      tables: {pgbench_accounts: public.pgbench_accounts, pgbench_branches: public.pgbench_branches, pgbench_tellers: public.pgbench_tellers, pgbench_history: public.pgbench_history}
sinks:
  mirror: {from: [src.pgbench_accounts, src.pgbench_branches, src.pgbench_tellers, src.pgbench_history], postgres: {dsn: %q}}
`, db.DSN(), mirror.DSN()))

	killing, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	var kills int
	var fault error
	work.Go(func() { kills, fault = e.killed(killing, every) })
	load := []string{"-n", "-c", clients, "-j", "2", "-R", rate, "-T", fmt.Sprint(seconds)}
	err := pgbench(load...)
	// The second half begins, and the server is killed in the midst of it.
	var second sync.WaitGroup
	second.Go(func() { _ = pgbench(load...) }) // its clients lose their server
	<-time.After(time.Duration(seconds) * time.Second / 3)
	s.Kill(t)
	second.Wait()
	s.Start(t)
	err = errors.Join(err, pgbench(load...))
	stop()
	work.Wait()
	if err := errors.Join(err, fault); err != nil {
		t.Fatal(err)
	}
	e.once()
	want, got := db.Text(t, balances), mirror.Text(t, balances)
	if got != want {
		t.Errorf("the database has\n%s\nthe sink has\n%s", want, got)
	}
	if torn := mirror.Text(t, `SELECT count(*) FROM pgbench_branches b LEFT JOIN (SELECT bid, sum(delta) AS sum FROM pgbench_history GROUP BY bid) h USING (bid)
		WHERE b.bbalance <> coalesce(h.sum, 0)`); torn != "0" {
		t.Errorf("in the sink %s branches differ from their history", torn)
	}
	t.Logf("%d kills of the engine, %s transactions", kills, db.Text(t, "SELECT count(*) FROM pgbench_history"))
}
