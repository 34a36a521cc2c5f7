package scene

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

var errEnded = errors.New("the flow has ended by itself")

// Service runs flow.yaml as a service while acts does its part, and then tells it to stop as a person would. The context
// of acts ends with the service.
func (s *Scene) Service(ctx context.Context, acts func(ctx context.Context)) {
	c := s.command(ctx, []string{"run", "flow.yaml", "--addr", "127.0.0.1:0", "--json"})
	s.show([]string{"run", "flow.yaml", "&"})
	if s.err != nil {
		return
	}
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.StdoutPipe()
	if !s.Check(err) || !s.Check(c.Start()) {
		return
	}
	running, ended := context.WithCancelCause(ctx)
	var end sync.WaitGroup
	lines := bufio.NewReader(out)
	// The first line comes once it answers; without one it has ended, and its exit says more.
	if _, err = lines.ReadString('\n'); err == nil {
		end.Go(func() {
			_, _ = io.Copy(io.Discard, lines) // it ends when the service does
			ended(errEnded)
		})
		acts(running)
		err = c.Process.Signal(os.Interrupt)
	}
	end.Wait()
	ended(nil)
	if err = errors.Join(err, c.Wait()); err != nil {
		s.err = errors.Join(fmt.Errorf("run freshet: %w: %s", err, said.String()), s.err)
	}
}

// Wait returns when every sink of the running flow holds what the source had at the position.
func (s *Scene) Wait(ctx context.Context, source, position string) {
	s.Ask(ctx, nil, "status", "flow.yaml", "--wait", source+"="+position)
}
