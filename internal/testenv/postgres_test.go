package testenv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/internal/testenv"
)

func TestAServerOfEachVersionSpeaksLogicalReplication(t *testing.T) {
	for _, major := range []int{15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := testenv.Postgres(t, testenv.PostgresOptions{Major: major})
			if again := testenv.Postgres(t, testenv.PostgresOptions{Major: major}); again != server {
				t.Error("the server of a process is started twice")
			}
			d := server.Database(t)
			if got := d.Text(t, "SHOW wal_level"); got != "logical" {
				t.Errorf("wal_level is %s", got)
			}
			if got := d.Text(t, "SHOW server_version_num"); !strings.HasPrefix(got, fmt.Sprint(major)) {
				t.Errorf("the server says it is %s", got)
			}
			d.Exec(t, "CREATE TABLE a (id int)")
			d.Exec(t, "SELECT pg_create_logical_replication_slot('slot_of_"+d.Name+"', 'pgoutput')")
			if got := server.Database(t).Text(t, "SELECT count(*) FROM pg_class WHERE relname = 'a'"); got != "0" {
				t.Error("databases of tests share tables")
			}
			if major == 18 {
				d.Exec(t, "CREATE EXTENSION vector; CREATE TABLE v (e vector(3)); CREATE INDEX ON v USING hnsw (e vector_cosine_ops)")
			}
		})
	}
}

func TestAKilledServerComesBackWithWhatWasCommitted(t *testing.T) {
	server := testenv.Postgres(t, testenv.PostgresOptions{Own: true, Settings: map[string]string{"wal_level": "replica"}})
	d := server.Database(t)
	d.Exec(t, "CREATE TABLE kept (id int); INSERT INTO kept SELECT generate_series(1, 10)")
	addr := server.Addr()
	server.Kill(t)
	if err := d.TryExec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	server.Start(t)
	if got := d.Text(t, "SELECT count(*), current_setting('wal_level') FROM kept"); got != "10|replica" {
		t.Errorf("after the crash: %s", got)
	}
	server.Stop(t)
	server.Start(t)
	if got := server.Addr(); got != addr || d.Text(t, "SELECT count(*) FROM kept") != "10" {
		t.Errorf("after an orderly stop: %s for %s", got, addr)
	}
}

// TestNoServerOutlivesItsTestProcess kills a process that has a server, as a time-out or a panic of a test would.
func TestNoServerOutlivesItsTestProcess(t *testing.T) {
	testenv.Postgres(t, testenv.PostgresOptions{}) // skips where there is none
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOfAnotherProcess$", "-test.v")
	command.Env = append(os.Environ(), "FRESHET_TESTENV_CHILD=1", "TMPDIR="+shallow(t))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var dsn string
	for lines := bufio.NewScanner(out); dsn == "" && lines.Scan(); {
		dsn, _ = strings.CutPrefix(lines.Text(), "dsn ")
		if !strings.HasPrefix(lines.Text(), "dsn ") {
			dsn = ""
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	for err != nil && idle.For(ctx, 20*time.Millisecond) == nil { // a server under load resets one now and then
		conn, err = pgx.Connect(ctx, dsn)
	}
	if err != nil {
		t.Fatalf("connect to the server of the other process: %v", err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	if _, err := conn.Exec(ctx, "SELECT pg_sleep(60)"); err == nil || ctx.Err() != nil {
		t.Error("the server lives on after its test process")
	}
	_ = conn.Close(ctx) // it is gone
	gone(ctx, t, filepath.Join(command.Env[len(command.Env)-1][len("TMPDIR="):], "freshet-postgres-*"))
}

// A server that is not installed skips a test with a word on how to install it, and fails it where servers are required.
func TestAMissingServerIsNamed(t *testing.T) {
	if os.Getenv("FRESHET_TESTENV_CHILD") != "" {
		testenv.Postgres(t, testenv.PostgresOptions{Major: 1})
		t.Error("a server of no version runs")
		return
	}
	for _, test := range []struct{ require, want string }{{"1", "--- FAIL"}, {"0", "--- SKIP"}, {"", "--- SKIP"}} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAMissingServerIsNamed$", "-test.v")
		command.Env = append(os.Environ(), "FRESHET_TESTENV_CHILD=1", testenv.RequireServers+"="+test.require)
		out, err := command.CombinedOutput()
		if failed := err != nil; failed != (test.require == "1") || !strings.Contains(string(out), test.want) ||
			!strings.Contains(string(out), "PostgreSQL 1 is not installed: run `make servers`") {
			t.Errorf("%s=%q: %v\n%s", testenv.RequireServers, test.require, err, out)
		}
	}
}

// gone waits until a pattern matches nothing.
func gone(ctx context.Context, t *testing.T, pattern string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		left, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("left behind: %v", left)
		case <-ticker.C:
		}
	}
}

// shallow makes a temporary folder that every user may enter.
func shallow(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "testenv-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOfAnotherProcess is what [TestNoServerOutlivesItsTestProcess] runs and kills.
func TestOfAnotherProcess(t *testing.T) {
	if os.Getenv("FRESHET_TESTENV_CHILD") == "" {
		t.Skip("run by TestNoServerOutlivesItsTestProcess, in a process of its own")
	}
	server := testenv.Postgres(t, testenv.PostgresOptions{})
	fmt.Println("dsn " + server.DSN("postgres"))
	<-t.Context().Done()
	t.Error("nobody has killed the process")
}
