package flight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/freshet/freshet/accel"
)

const (
	// restartFirst and restartMost bound the pause before a child is started again.
	restartFirst = 100 * time.Millisecond
	restartMost  = 10 * time.Second
	// restartTries is how often a request that was not begun goes to another child.
	restartTries = 4
)

// pipe is a carrier over the standard input and output of a child process, which it starts when it is needed.
// Requests are written one behind the other and read in the same order, each by whoever waits for it: while
// the child is at one the next is there already.
type pipe struct {
	options *Options

	writing chan struct{} // holds one while somebody writes or starts; the fields below are under it
	child   *child
	seq     uint64
	deaths  int // children in a row that died before they answered anything
}

func newPipe(o *Options) *pipe { return &pipe{options: o, writing: make(chan struct{}, 1)} }

// errNotBegun is a child that died before it came to a request.
var errNotBegun = errors.New("the worker died before it began")

// acquire takes the right to write.
func (p *pipe) acquire(ctx context.Context) error {
	select {
	case p.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) release() { <-p.writing }

// describe asks the child that runs, or one that is started for it and ended again.
func (p *pipe) describe(ctx context.Context) (Description, error) {
	if err := p.acquire(ctx); err != nil {
		return Description{}, err
	}
	defer p.release()
	if p.child != nil && !p.child.dead.Load() {
		return p.child.hello, nil
	}
	c, err := startChild(ctx, p.options)
	if err != nil {
		return Description{}, unavailable(err.Error(), nil)
	}
	c.end()
	return c.hello, nil
}

// exchange implements carrier. A request that a dying child had not begun goes to the next one.
func (p *pipe) exchange(ctx context.Context, r *request, take taker) error {
	for try := 1; ; try++ {
		err := p.attempt(ctx, r, take)
		if !errors.Is(err, errNotBegun) {
			return err
		}
		if try == restartTries {
			return unavailable("the worker dies before it begins", nil)
		}
	}
}

func (p *pipe) attempt(ctx context.Context, r *request, take taker) error {
	c, turn, seq, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	defer close(turn.mine)
	select {
	case <-turn.before:
	case <-ctx.Done():
		c.kill() // its replies could not be told apart any more
		<-turn.before
	}
	if err := context.Cause(ctx); err != nil {
		c.kill()
		return err
	}
	defer context.AfterFunc(ctx, c.cut)()
	err = p.receive(c, seq, take)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		c.kill()
		return context.Cause(ctx)
	}
	return err
}

// turn is a request's place among those that were written.
type turn struct {
	before <-chan struct{} // closed when it is the first
	mine   chan struct{}
}

// send writes a request, to a new child where none runs.
func (p *pipe) send(ctx context.Context, r *request) (*child, turn, uint64, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, turn{}, 0, err
	}
	defer p.release()
	if err := p.startLocked(ctx); err != nil {
		return nil, turn{}, 0, err
	}
	p.seq++
	frame, err := appendFrame(nil, requestMeta{p.seq, r.function, r.output}, r.record)
	if err != nil {
		return nil, turn{}, 0, err
	}
	c := p.child
	t := turn{before: c.tail, mine: make(chan struct{})}
	c.tail = t.mine
	defer context.AfterFunc(ctx, c.cut)()
	_ = c.in.SetWriteDeadline(time.Now().Add(p.options.Timeout + helloWait))
	// A fault of writing is one of the child, which reading meets as well, and can tell more of.
	if _, err := c.in.Write(frame); errors.Is(err, os.ErrDeadlineExceeded) {
		c.kill()
	}
	return c, t, p.seq, nil
}

// startLocked starts a child where none runs, a while after one that died.
func (p *pipe) startLocked(ctx context.Context) error {
	if p.child != nil && !p.child.dead.Load() {
		return nil
	}
	if p.child != nil {
		p.child = nil
		p.deaths++
	}
	if p.deaths > 1 {
		pause := time.NewTimer(min(restartMost, restartFirst<<min(p.deaths-2, 10)))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	c, err := startChild(ctx, p.options)
	if err != nil {
		p.deaths++
		return unavailable(err.Error(), nil)
	}
	p.child = c
	return nil
}

// receive reads the reply to a request whose turn has come.
func (p *pipe) receive(c *child, seq uint64, take taker) error {
	begun, at := false, -1
	for {
		meta, body, err := p.next(c)
		if err != nil {
			return p.broken(c, begun, at, err)
		}
		var m struct {
			replyMeta
			Ready bool `json:"ready"`
		}
		if err := json.Unmarshal(meta, &m); err != nil {
			return p.broken(c, begun, at, fmt.Errorf("read metadata: %w", err))
		}
		c.ready = c.ready || m.Ready
		if m.Ready || m.Seq != seq {
			continue // of a request that nobody waits for any more
		}
		begun = true
		if m.At != nil {
			at = *m.At
			continue
		}
		record, err := readBatch(body)
		if err == nil {
			err = guarded(func() error { return take(&m.replyMeta, record) })
		}
		if record != nil {
			record.Release()
		}
		if err != nil && !m.Done {
			c.kill() // it goes on answering what is not wanted
			return err
		}
		if m.Done {
			p.well(c)
			return err
		}
	}
}

// next reads a frame, within the time that a worker may be silent.
func (p *pipe) next(c *child) (meta, body []byte, err error) {
	if c.ready {
		c.wait(p.options.Timeout)
	} else {
		c.wait(readyWait)
	}
	return readFrame(c.reader)
}

// well notes that a child answers.
func (p *pipe) well(c *child) {
	select {
	case p.writing <- struct{}{}:
		if p.child == c {
			p.deaths = 0
		}
		p.release()
	default: // somebody writes or starts: the next reply notes it
	}
}

// broken ends a child that died, or was silent for too long, and says what that means for its request.
func (p *pipe) broken(c *child, begun bool, at int, err error) error {
	hung := errors.Is(err, os.ErrDeadlineExceeded)
	wasDead := c.dead.Load()
	c.kill()
	message := "the worker ended (" + c.state + ")" + c.lastWords()
	if hung {
		message = "no answer within " + p.options.Timeout.String()
	}
	switch {
	case begun:
		e := &accel.Error{Kind: accel.Broke, Message: message}
		if at >= 0 {
			e.Rows = []int{at}
		}
		return e
	case hung && !wasDead:
		return unavailable(message, nil)
	}
	return errNotBegun
}

// Close ends the child. The next request starts another one.
func (p *pipe) Close() error {
	p.writing <- struct{}{}
	defer p.release()
	if p.child != nil {
		p.child.end()
		p.child, p.deaths = nil, 0
	}
	return nil
}
