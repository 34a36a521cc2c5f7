package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Addr is host and port of the server; both stay when it is started again.
func (s *PostgresServer) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// DSN names a database of the server for its superuser, without TLS.
func (s *PostgresServer) DSN(database string) string { return dsn(s.Addr(), database, "postgres", "") }

// Kill is a crash: an immediate stop without a checkpoint. It returns when the server's process is gone.
func (s *PostgresServer) Kill(t testing.TB) { s.halt(t, syscall.SIGQUIT) }

// Stop ends all sessions and shuts the server down in order. It returns when the server's process is gone.
func (s *PostgresServer) Stop(t testing.TB) { s.halt(t, syscall.SIGINT) }

func (s *PostgresServer) halt(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if !s.own {
		t.Fatal("the server is shared; ask for one with Own")
	}
	if err := s.end(signal); err != nil {
		t.Fatal(err)
	}
}

// Start starts a server again that was stopped or killed, at the same address and over the same data. It returns when
// the server has recovered and answers.
func (s *PostgresServer) Start(t testing.TB) {
	t.Helper()
	if s.process != nil {
		t.Fatal("the server runs")
	}
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// Log is what the server has logged so far.
func (s *PostgresServer) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(text)
}

// Command prepares a program of the server's version, such as pgbench or psql, against one of its databases. It runs
// as the user of the tests and ends with the test.
func (s *PostgresServer) Command(t testing.TB, database, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(s.bin, program), arguments...)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(s.port), "PGUSER=postgres", "PGDATABASE="+database, "PGSSLMODE=disable")
	return command
}
