package flight

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// helloWait is how long a child may take until it says what it serves.
	helloWait = 2 * time.Minute
	// readyWait is how long it may take to get ready: to load a model.
	readyWait = 10 * time.Minute
	// endWait is how long it may take to end by itself.
	endWait = 2 * time.Second
	// pipeRoom is how much is read at once, in bytes.
	pipeRoom = 1 << 18
)

// child is a worker process.
type child struct {
	cmd    *exec.Cmd
	in     *os.File // what it reads
	out    *os.File // what it writes
	reader *bufio.Reader
	said   *said
	hello  Description
	ready  bool          // under the turn
	tail   chan struct{} // closed when the request that was written last has been read; under pipe.writing

	dead  atomic.Bool
	reap  sync.Once
	state string // how it ended; after reap
}

// startChild starts a worker and waits until it says what it serves.
func startChild(ctx context.Context, o *Options) (*child, error) {
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = o.Dir, o.environ(), attributes(), endWait
	c := &child{cmd: cmd, said: &said{log: o.Logger}, tail: closed()}
	cmd.Stderr = c.said
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		_, _ = theirIn.Close(), in.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd.Stdin, cmd.Stdout = theirIn, theirOut
	err = cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		_, _ = in.Close(), out.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	c.in, c.out, c.reader = in, out, bufio.NewReaderSize(out, pipeRoom)
	if err := c.greet(ctx); err != nil {
		c.kill()
		return nil, fmt.Errorf("start worker: %w%s", err, c.lastWords())
	}
	return c, nil
}

// closed is a channel that is.
func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// greet reads what the worker says of itself.
func (c *child) greet(ctx context.Context) error {
	defer context.AfterFunc(ctx, c.cut)()
	c.wait(helloWait)
	meta, noise, err := readFirst(c.reader, c.reader)
	if noise != "" {
		_, _ = c.said.Write([]byte(noise + "\n"))
	}
	if err == nil {
		err = json.Unmarshal(meta, &c.hello)
	}
	if err != nil {
		return fmt.Errorf("it does not say what it serves: %w", err)
	}
	if c.hello.Protocol != 1 {
		return fmt.Errorf("it speaks version %d of the protocol, and 1 is known here", c.hello.Protocol)
	}
	c.ready = !c.hello.Loading
	return nil
}

// wait bounds the next read.
func (c *child) wait(d time.Duration) {
	_ = c.out.SetReadDeadline(time.Now().Add(d)) // it fails on what is closed, and so does the read
}

// cut ends reading and writing at once.
func (c *child) cut() {
	_ = c.out.SetReadDeadline(time.Unix(1, 0))
	_ = c.in.SetWriteDeadline(time.Unix(1, 0))
}

// kill ends the process and what it has started, and waits for it.
func (c *child) kill() {
	c.dead.Store(true)
	c.reap.Do(func() {
		c.killGroup()
		c.finish()
	})
}

// end lets the process end by itself, and kills it when it does not.
func (c *child) end() {
	c.dead.Store(true)
	c.reap.Do(func() {
		_ = c.in.Close()
		late := time.AfterFunc(endWait, c.killGroup)
		c.finish()
		late.Stop()
		c.killGroup() // what it has left behind
	})
}

func (c *child) killGroup() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }

// finish waits for the end of the process.
func (c *child) finish() {
	_ = c.cmd.Wait() // it was killed, or has ended as it liked
	c.state = c.cmd.ProcessState.String()
	_, _ = c.in.Close(), c.out.Close()
}

// lastWords are what the worker said last, to be put behind an error.
func (c *child) lastWords() string {
	if words := c.said.tail(); words != "" {
		return ": " + words
	}
	return ""
}

const (
	// saidMost is how much is kept of what a worker says, in bytes.
	saidMost = 2000
	// lineMost bounds a line of it.
	lineMost = 4096
)

// said takes what a worker writes to its standard error: the log gets each line, and the last ones are kept.
type said struct {
	log *slog.Logger

	mu   sync.Mutex
	last []byte
	line []byte
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = append(s.last, b...)
	if over := len(s.last) - saidMost; over > 0 {
		s.last = append(s.last[:0], s.last[over:]...)
	}
	for _, x := range b {
		if x != '\n' && len(s.line) < lineMost {
			s.line = append(s.line, x)
			continue
		}
		if text := strings.TrimSpace(string(s.line)); text != "" {
			s.log.Info("worker says", "line", strings.ToValidUTF8(text, "?"))
		}
		s.line = s.line[:0]
	}
	return len(b), nil
}

// tail is the last line that was said.
func (s *said) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(s.last), "?")), "\n")
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-2):], " "))
}
