package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Standby starts a server that follows this one, with everything that stands in it, and ends with the test. It tells this
// one which rows its readers still see.
func (s *PostgresServer) Standby(t testing.TB) *PostgresServer {
	t.Helper()
	standby, err := s.follow()
	if err != nil {
		t.Fatal(err)
	}
	standby.ownedBy(t)
	return standby
}

func (s *PostgresServer) follow() (*PostgresServer, error) {
	dir, err := s.account.folder("freshet-postgres-")
	if err != nil {
		return nil, err
	}
	x := &PostgresServer{major: s.major, bin: s.bin, dir: dir, account: s.account}
	if x.watchdog, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := x.copyOf(s); err != nil {
		return nil, errors.Join(err, x.watchdog.release())
	}
	if err := x.launch(); err != nil {
		return nil, errors.Join(err, x.watchdog.release())
	}
	return x, nil
}

// copyOf takes a copy of another server's files.
func (s *PostgresServer) copyOf(primary *PostgresServer) error {
	backup := exec.Command(filepath.Join(s.bin, "pg_basebackup"), "-D", s.data(), "-R", "-X", "stream", "--checkpoint", "fast", "--no-sync",
		"-h", "127.0.0.1", "-p", strconv.Itoa(primary.port), "-U", "postgres")
	backup.Dir = s.dir
	backup.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	backup.SysProcAttr = s.account.attributes()
	if out, err := backup.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the primary: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.port = port
	return s.configure(map[string]string{"port": strconv.Itoa(port), "hot_standby_feedback": "on", "wal_receiver_status_interval": "'100ms'"})
}
