package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// S3Server is moto, which answers as S3 and SQS do and tells a queue of what is put into a bucket. It knows no
// credentials; what else it lacks are events of versioned buckets, sequencers, and losing anything.
type S3Server struct {
	python   string
	dir      string
	port     int
	account  account
	watchdog *watchdog
	process  *exec.Cmd
}

// S3 gives the server that the tests of this process share. It skips the test when moto is not installed, and fails
// it where servers are required.
func S3(t testing.TB) *S3Server {
	t.Helper()
	if _, err := os.Stat(filepath.Join(motoFolder(), "complete")); err != nil {
		missing(t, "moto")
	}
	s, err := sharedS3()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sharedS3 = sync.OnceValues(startS3)

func motoFolder() string { return filepath.Join(folder(), "moto-5.2.5") }

func startS3() (*S3Server, error) {
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := account.folder("freshet-s3-")
	if err != nil {
		return nil, err
	}
	s := &S3Server{python: filepath.Join(motoFolder(), "bin", "python"), dir: dir, account: account}
	if s.watchdog, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.launch(); err != nil {
		return nil, errors.Join(err, s.watchdog.release())
	}
	return s, nil
}

// launch starts the server and waits until it can be reached.
func (s *S3Server) launch() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	err = s.start(log)
	if errors.Is(err, fs.ErrPermission) && s.account.change {
		s.account = account{} // the interpreter lies in the home of whoever runs the tests, where nobody else gets
		err = s.start(log)
	}
	if err != nil {
		return fmt.Errorf("start moto: %w", err)
	}
	if err := s.watchdog.started(s.process.Process.Pid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for moto: %w: %s", err, tail(s.Log(), 1000))
		case <-again.C:
		}
	}
}

func (s *S3Server) start(log *os.File) error {
	s.process = exec.Command(s.python, "-m", "moto.server", "-H", "127.0.0.1", "-p", fmt.Sprint(s.port))
	s.process.Dir, s.process.SysProcAttr = s.dir, s.account.attributes()
	s.process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "PYTHONDONTWRITEBYTECODE=1"} // and nothing of AWS
	s.process.Stdout, s.process.Stderr = log, log
	return s.process.Start()
}

// Endpoint is the address of the server, for S3 and for SQS.
func (s *S3Server) Endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// Log is what the server has said.
func (s *S3Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *S3Server) logFile() string { return filepath.Join(s.dir, "log") }
