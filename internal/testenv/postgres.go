package testenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions select a server. The zero value is the shared server of version 15.
type PostgresOptions struct {
	// Major is the major version: 15 (0 stands for it), which is Debian's and has no extension vector, or 18,
	// which has it. [PostgresMajors] lists those that are installed.
	Major int
	// Own asks for a server that no other test uses. Only such a server can be stopped, killed and started again.
	Own bool
	// Rules are lines of pg_hba.conf instead of trust for everybody; the server's own sessions of the tests need one for
	// user postgres. They make the server one of its own.
	Rules []string
	// TLS has the server take TLS for its name localhost; see [PostgresServer.Certificates]. It makes the server one of
	// its own.
	TLS bool
	// Settings are lines of postgresql.conf, with quotes where it wants quotes; they make the server one of its own.
	Settings map[string]string
}

// PostgresServer is a PostgreSQL server on 127.0.0.1 with wal_level=logical, 100 connections, no autovacuum, and trust for every
// user; its superuser is postgres. fsync is off: what is tested is the end of processes, not of power.
type PostgresServer struct {
	major    int
	bin, dir string
	port     int
	own      bool
	account  account
	secrets  *Certificates // nil without TLS
	watchdog *watchdog
	process  *exec.Cmd
}

// Postgres gives a running server: the shared one of its version, or one of its own that ends with the test. It skips
// the test when the version is not installed, and fails it where servers are required.
func Postgres(t testing.TB, o PostgresOptions) *PostgresServer {
	t.Helper()
	if o.Major == 0 {
		o.Major = 15
	}
	if _, ok := postgresBin(o.Major); !ok {
		missing(t, fmt.Sprintf("PostgreSQL %d", o.Major))
	}
	if !o.Own && len(o.Settings) == 0 && len(o.Rules) == 0 && !o.TLS {
		shared, ok := sharedPostgres()[o.Major]
		if !ok {
			t.Fatalf("no server of version %d is shared; ask for one of its own", o.Major)
		}
		s, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, err := startPostgres(o)
	if err != nil {
		t.Fatal(err)
	}
	s.ownedBy(t)
	return s
}

// ownedBy ends the server with the test.
func (s *PostgresServer) ownedBy(t testing.TB) {
	s.own = true
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", tail(s.Log(), 4000))
		}
		if err := s.discard(); err != nil {
			t.Error(err)
		}
	})
}

// PostgresMajors lists the installed versions among those that tests are written for, the oldest first.
func PostgresMajors() []int {
	return slices.DeleteFunc([]int{15, 16, 17, 18}, func(major int) bool {
		_, ok := postgresBin(major)
		return !ok
	})
}

// servers15 to servers18 start the shared servers, each once in a process.
var (
	servers15 = sync.OnceValues(func() (*PostgresServer, error) { return startPostgres(PostgresOptions{Major: 15}) })
	servers16 = sync.OnceValues(func() (*PostgresServer, error) { return startPostgres(PostgresOptions{Major: 16}) })
	servers17 = sync.OnceValues(func() (*PostgresServer, error) { return startPostgres(PostgresOptions{Major: 17}) })
	servers18 = sync.OnceValues(func() (*PostgresServer, error) { return startPostgres(PostgresOptions{Major: 18}) })
)

func sharedPostgres() map[int]func() (*PostgresServer, error) {
	return map[int]func() (*PostgresServer, error){15: servers15, 16: servers16, 17: servers17, 18: servers18}
}

// postgresBin finds the programs of a version: those that `.ci/servers` installed before those of the system.
func postgresBin(major int) (string, bool) {
	for _, dir := range []string{
		filepath.Join(folder(), fmt.Sprintf("postgresql-%d", major), "bin"),
		fmt.Sprintf("/usr/lib/postgresql/%d/bin", major),
	} {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, true
		}
	}
	return "", false
}

func startPostgres(o PostgresOptions) (*PostgresServer, error) {
	bin, ok := postgresBin(o.Major)
	if !ok {
		return nil, fmt.Errorf("find PostgreSQL %d: not installed", o.Major)
	}
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := account.folder("freshet-postgres-")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{major: o.Major, bin: bin, dir: dir, account: account}
	if s.watchdog, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.initialise(o); err != nil {
		return nil, errors.Join(err, s.watchdog.release())
	}
	if err := s.launch(); err != nil {
		return nil, errors.Join(err, s.watchdog.release())
	}
	return s, nil
}

// initialise makes the cluster and writes its settings.
func (s *PostgresServer) initialise(o PostgresOptions) error {
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.Dir = s.dir
	initdb.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	initdb.SysProcAttr = s.account.attributes()
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("make a cluster with %s: %w\n%s", initdb.Path, err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.port = port
	lines := map[string]string{
		"autovacuum":              "off",
		"fsync":                   "off",
		"listen_addresses":        "'127.0.0.1'",
		"log_timezone":            "'UTC'",
		"logging_collector":       "off",
		"max_connections":         "100",
		"max_replication_slots":   "50",
		"max_wal_senders":         "50",
		"max_wal_size":            "'1GB'",
		"port":                    strconv.Itoa(port),
		"shared_buffers":          "'64MB'",
		"timezone":                "'UTC'",
		"unix_socket_directories": "''",
		"wal_level":               "logical",
	}
	if o.TLS {
		if err := s.certify(lines); err != nil {
			return err
		}
	}
	maps.Copy(lines, o.Settings)
	if len(o.Rules) > 0 {
		if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(strings.Join(o.Rules, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return s.configure(lines)
}

// configure appends settings to the server's own.
func (s *PostgresServer) configure(lines map[string]string) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&text, "%s = %s\n", name, lines[name])
	}
	file, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text.String())
	return errors.Join(err, file.Close())
}

// freePort finds a port on which nobody listens. It lies below those that the system gives out by itself (from 32768 on): one
// of them may be another process's before a server that takes seconds to start has it.
func freePort() (int, error) {
	for tries := 0; ; tries++ {
		port := 10_000 + rand.IntN(20_000)
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		if tries == 100 {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
	}
}

// launch starts the server and waits until it answers, for a minute at most.
func (s *PostgresServer) launch() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	process := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data())
	process.Dir, process.Stdout, process.Stderr = s.dir, log, log
	process.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	process.SysProcAttr = s.account.attributes()
	if err := process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", process.Path, err)
	}
	s.process = process
	if err := s.watchdog.started(process.Process.Pid); err != nil {
		return errors.Join(err, s.end(syscall.SIGQUIT))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.answers(ctx); err != nil {
		log := tail(s.Log(), 2000)
		return errors.Join(fmt.Errorf("wait for PostgreSQL %d: %w\n%s", s.major, err, log), s.end(syscall.SIGQUIT))
	}
	return nil
}

// answers waits until a session can be opened. An early end of the process is seen as well.
func (s *PostgresServer) answers(ctx context.Context) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		var status syscall.WaitStatus
		if pid, _ := syscall.Wait4(s.process.Process.Pid, &status, syscall.WNOHANG, nil); pid > 0 {
			s.process = nil
			return errors.Join(fmt.Errorf("the server ended by itself with status %d", status.ExitStatus()), s.watchdog.ended())
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// end sends a signal to the server and waits for its end.
func (s *PostgresServer) end(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var exit *exec.ExitError
	if err := s.process.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	s.process = nil
	return s.watchdog.ended()
}

// discard ends the server and has its folder removed.
func (s *PostgresServer) discard() error {
	return errors.Join(s.end(syscall.SIGQUIT), os.RemoveAll(s.dir), s.watchdog.release())
}

func (s *PostgresServer) data() string    { return filepath.Join(s.dir, "data") }
func (s *PostgresServer) logFile() string { return filepath.Join(s.dir, "log") }

// tail is the end of a text, at most n bytes.
func tail(text string, n int) string {
	return text[max(0, len(text)-n):]
}
