package testenv

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Shell is one bash in which commands of a page run one after another, as a person types them: variables, the folder and jobs
// stay from one to the next. It runs as the user of servers, which PostgreSQL asks for, and its home is an empty folder.
// What it has started is ended with the test.
type Shell struct {
	// Home is its home and first folder.
	Home   string
	kill   func() // ends the shell and its jobs
	input  io.WriteCloser
	output *bufio.Reader
}

// NewShell starts a shell. programs are copied into its PATH under their names, and what `.ci/servers` has installed lies below
// its home as it does for a person. The commands atEnd are run however the test ends, kill -9 included.
func NewShell(t testing.TB, programs map[string]string, atEnd string) *Shell {
	t.Helper()
	account, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	home, err := account.folder("freshet-shell-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	bin, cache := filepath.Join(home, "bin"), filepath.Join(home, ".cache", "freshet")
	for _, dir := range []string{bin, cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(folder(), filepath.Join(cache, "servers")); err != nil {
		t.Fatal(err)
	}
	for name, path := range programs {
		if err := copyProgram(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := &Shell{Home: home}
	s.start(t, account, bin)
	if _, err := s.Run("trap '{ " + strings.ReplaceAll(atEnd, "'", `'\''`) + "; } > /dev/null 2>&1' EXIT"); err != nil {
		t.Fatal(err)
	}
	return s
}

// copyProgram copies a program to where every user may run it.
func copyProgram(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

func (s *Shell) start(t testing.TB, account account, bin string) {
	t.Helper()
	bash := exec.Command("bash", "--norc", "-s")
	bash.Dir = s.Home
	bash.Env = []string{"HOME=" + s.Home, "PATH=" + bin + ":" + os.Getenv("PATH"), "NO_COLOR=1", "TERM=dumb", "LC_ALL=C.UTF-8", "TZ=UTC"}
	bash.SysProcAttr = account.attributes()
	var err error
	if s.input, err = bash.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := bash.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	bash.Stderr = bash.Stdout
	s.output = bufio.NewReader(output)
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Without input the shell ends; what it has put into the background has its process group.
		_ = s.input.Close()
		late := time.AfterFunc(commandTime, s.kill)
		_ = bash.Wait()
		late.Stop()
		s.kill()
	})
	s.kill = func() { _ = syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
}

// commandTime is how long one command of a page may take.
const commandTime = time.Minute

// endOfCommand is a line that no command prints.
const endOfCommand = "-- the end of a command of a page --"

// endOfJob is what bash says of a job that was killed.
var endOfJob = regexp.MustCompile(`^bash: line \d+: +\d+ (Killed|Terminated) `)

// Run runs commands, and gives what they have printed, on both outputs. What bash itself says of jobs that ended is left out: it says so
// whenever it notices.
func (s *Shell) Run(commands string) (string, error) {
	if _, err := fmt.Fprintf(s.input, "{\n%s\n} </dev/null\necho; echo '%s'\n", commands, endOfCommand); err != nil {
		return "", fmt.Errorf("write to the shell: %w", err)
	}
	late := time.AfterFunc(commandTime, s.kill)
	defer late.Stop()
	var printed strings.Builder
	for {
		line, err := s.output.ReadString('\n')
		if err != nil {
			return printed.String(), fmt.Errorf("read from the shell: %w", err)
		}
		if strings.TrimSuffix(line, "\n") == endOfCommand {
			return strings.TrimSuffix(printed.String(), "\n"), nil
		}
		if !endOfJob.MatchString(line) {
			printed.WriteString(line)
		}
	}
}

// RequirePostgres skips the test when a version is not installed, and fails it where servers are required.
func RequirePostgres(t testing.TB, major int) {
	t.Helper()
	if _, ok := postgresBin(major); !ok {
		missing(t, fmt.Sprintf("PostgreSQL %d", major))
	}
}
