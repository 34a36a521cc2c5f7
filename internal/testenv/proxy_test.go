package testenv_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a database behind a proxy.
func bench(t *testing.T) (*testenv.Proxy, *testenv.PostgresDatabase) {
	t.Helper()
	server := testenv.Postgres(t, testenv.PostgresOptions{})
	d := server.Database(t)
	d.Exec(t, "CREATE TABLE kept (id int)")
	return testenv.NewProxy(t, server.Addr()), d
}

func dial(t *testing.T, p *testenv.Proxy, d *testenv.PostgresDatabase) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.DSNThrough(p.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // most of them are broken by then
	return conn
}

func TestAProxyForwardsUntilItCuts(t *testing.T) {
	p, d := bench(t)
	conn := dial(t, p, d)
	if _, err := conn.Exec(t.Context(), "INSERT INTO kept SELECT generate_series(1, 100000)"); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a cut connection answers")
	}
	if err := dial(t, p, d).Ping(t.Context()); err != nil {
		t.Errorf("a new connection after the cut: %v", err)
	}
	p.Refuse()
	if conn, err := pgx.Connect(t.Context(), d.DSNThrough(p.Addr())); err == nil {
		t.Error("a connection is made while the proxy refuses")
		_ = conn.Close(t.Context())
	}
	p.Heal()
	if err := dial(t, p, d).Ping(t.Context()); err != nil {
		t.Errorf("a new connection after healing: %v", err)
	}
	if got := p.Accepted(); got < 4 {
		t.Errorf("%d connections were counted", got)
	}
}

func TestAStalledProxyAnswersNobodyUntilItHeals(t *testing.T) {
	p, d := bench(t)
	for name, stall := range map[string]func(){"both directions": p.Stall, "answers only": p.HalfOpen} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, p, d)
			stall()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := conn.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a ping while stalled: %v", err)
			}
			p.Heal()
			if err := dial(t, p, d).Ping(t.Context()); err != nil {
				t.Errorf("a ping after healing: %v", err)
			}
		})
	}
}

func TestASlowProxyKeepsToItsRate(t *testing.T) {
	p, d := bench(t)
	conn := dial(t, p, d)
	p.Slow(100_000)
	start := time.Now()
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT repeat('x', 30000)").Scan(&text); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); len(text) != 30000 || took < 200*time.Millisecond {
		t.Errorf("%d bytes in %v", len(text), took)
	}
}

func TestATrapCutsBeforeOrAfterTheServerHasIt(t *testing.T) {
	p, d := bench(t)
	tests := []struct {
		name string
		set  func(string) func(testing.TB)
		want string
	}{
		{"before: the server has not got it", p.CutBefore, "0"},
		{"after: the server has it and the client does not know", p.CutAfter, "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d.Exec(t, "TRUNCATE kept")
			conn := dial(t, p, d)
			if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO kept VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			wait := test.set("commit")
			if _, err := conn.Exec(t.Context(), "commit"); err == nil {
				t.Error("the client got an answer")
			}
			wait(t)
			if got := d.Text(t, "SELECT count(*) FROM kept"); got != test.want {
				t.Errorf("%s rows are in the table, want %s", got, test.want)
			}
		})
	}
}
