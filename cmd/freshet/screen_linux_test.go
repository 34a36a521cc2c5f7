package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a program on it.
type terminal struct {
	master, slave *os.File
	mu            sync.Mutex
	shown         bytes.Buffer
	more          chan struct{} // one place: that something was shown
}

func openTerminal(t *testing.T, columns, rows uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal can be had: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{master: master, slave: slave, more: make(chan struct{}, 1)}
	x.resize(t, columns, rows)
	var reading sync.WaitGroup
	reading.Go(x.read)
	t.Cleanup(func() {
		slave.Close()
		reading.Wait() // it ends when the last program has left the terminal
		master.Close()
	})
	return x
}

func (x *terminal) read() {
	part := make([]byte, 4096)
	for {
		n, err := x.master.Read(part)
		x.mu.Lock()
		x.shown.Write(part[:n])
		x.mu.Unlock()
		select {
		case x.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (x *terminal) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(x.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

// await waits until what was shown from a place on holds a text, and returns the place behind it.
func (x *terminal) await(t *testing.T, from int, text string) int {
	t.Helper()
	ctx, giveUp := context.WithTimeout(t.Context(), time.Minute)
	defer giveUp()
	for {
		x.mu.Lock()
		all := x.shown.String()
		x.mu.Unlock()
		if at := strings.Index(all[from:], text); at >= 0 {
			return from + at + len(text)
		}
		select {
		case <-x.more:
		case <-ctx.Done():
			t.Fatalf("%q does not come; shown was %q", text, all[from:])
		}
	}
}

func TestTopDrawsOnATerminalUntilQ(t *testing.T) {
	dir := t.TempDir()
	if err := layDemo(filepath.Join(dir, "demo")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, flow := filepath.Join(dir, "freshet"), filepath.Join(dir, "demo", demoFlow)
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "run", "--once", flow).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	x := openTerminal(t, 100, 30)
	was, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "top", flow)
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.slave, x.slave, x.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	at := x.await(t, 0, otherPage)
	at = x.await(t, at, "handbook  stopped")
	at = x.await(t, at, "embed builtin")
	at = x.await(t, at, "q quits")
	x.resize(t, 24, 8)
	at = x.await(t, at, "handbook  stopped  epoch"+restOfRow) // cut where the terminal ends now
	if _, err := io.WriteString(x.master, "xq"); err != nil {
		t.Fatal(err)
	}
	x.await(t, at, firstPage)
	if err := cmd.Wait(); err != nil {
		t.Errorf("top ends with %v", err)
	}
	now, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *now != *was {
		t.Errorf("the terminal is left as %+v, was %+v", *now, *was)
	}
}
