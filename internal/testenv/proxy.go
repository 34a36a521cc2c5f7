package testenv

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy forwards TCP connections to a server and breaks them on demand. A fault holds for connections that are open
// and for new ones until [Proxy.Heal].
type Proxy struct {
	listener net.Listener
	target   string
	routines sync.WaitGroup

	mu sync.Mutex
	// changed is closed and replaced when a fault or the set of links changes, so that whoever stands still looks again.
	changed chan struct{}
	links   map[*link]struct{}
	fault   fault
	closed  bool
	// traps are the faults that wait for what a client sends.
	traps []*trap
	// accepted counts connections.
	accepted int
}

// fault is what a proxy does to the bytes that pass it. The zero value forwards them.
type fault struct {
	// refuse closes what is open and what comes.
	refuse bool
	// hold stops bytes to the server, to the client, or both; the connection stays open.
	hold [2]bool
	// rate bounds each direction in bytes a second; 0 is no bound.
	rate int
}

// The directions of a link.
const (
	toServer = 0
	toClient = 1
)

// trap cuts the first connection on which a client sends a text.
type trap struct {
	text []byte
	// answered lets the text pass and cuts when the server has answered it; otherwise neither passes.
	answered bool
	sprung   chan struct{}
}

// link is one client's connection and the one that it is forwarded to.
type link struct {
	client, server net.Conn
	// seen is the tail of what went to the server, as long as the longest trap.
	seen []byte
	// caught is the trap whose text the server has got and not answered yet; the proxy's mutex guards it.
	caught *trap
}

// NewProxy listens on a free port of 127.0.0.1 and forwards to target, host and port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, target: target, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.routines.Go(p.accept)
	t.Cleanup(func() {
		err := listener.Close()
		p.change(func() { p.closed = true })
		p.routines.Wait()
		if err != nil {
			t.Error(err)
		}
	})
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted counts the connections that clients have made so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Cut closes every open connection at once, with a reset; new ones are forwarded.
func (p *Proxy) Cut() {
	p.change(func() {
		for l := range p.links {
			l.close()
			delete(p.links, l)
		}
	})
}

// Refuse is [Proxy.Cut] that holds on: new connections are reset as well.
func (p *Proxy) Refuse() { p.set(fault{refuse: true}) }

// Stall keeps connections open and lets no byte pass, as a network does that drops packets.
func (p *Proxy) Stall() { p.set(fault{hold: [2]bool{true, true}}) }

// HalfOpen lets what clients send reach the server and holds back its answers.
func (p *Proxy) HalfOpen() { p.set(fault{hold: [2]bool{toClient: true}}) }

// Slow bounds each direction of each connection to a rate in bytes a second.
func (p *Proxy) Slow(bytesPerSecond int) { p.set(fault{rate: bytesPerSecond}) }

// Heal forwards again. Bytes that were held back are delivered, as TCP would.
func (p *Proxy) Heal() { p.set(fault{}) }

func (p *Proxy) set(f fault) { p.change(func() { p.fault = f }) }

// change applies a change under the lock, wakes who stands still and closes what may not stay open.
func (p *Proxy) change(apply func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	apply()
	close(p.changed)
	p.changed = make(chan struct{})
	if p.fault.refuse || p.closed {
		for l := range p.links {
			l.close()
		}
	}
}

// CutBefore cuts the next connection whose client sends the text, before any of its last part reaches the server.
// The function that it returns waits until that has happened, or fails the test after a minute.
func (p *Proxy) CutBefore(text string) (wait func(t testing.TB)) { return p.trapped(text, false) }

// CutAfter lets the server get the text that a client sends and cuts the connection when it has answered,
// so that the client cannot know: the lost acknowledgement. The function that it returns waits until that has
// happened, or fails the test after a minute.
func (p *Proxy) CutAfter(text string) (wait func(t testing.TB)) { return p.trapped(text, true) }

func (p *Proxy) trapped(text string, answered bool) func(t testing.TB) {
	set := &trap{text: []byte(text), answered: answered, sprung: make(chan struct{})}
	p.mu.Lock()
	p.traps = append(p.traps, set)
	for l := range p.links {
		l.seen = nil // what was sent before is past
	}
	p.mu.Unlock()
	return func(t testing.TB) {
		t.Helper()
		select {
		case <-set.sprung:
		case <-time.After(time.Minute):
			t.Fatalf("no client has sent %q", text)
		}
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.routines.Go(func() { p.serve(client) })
	}
}

// serve forwards one connection until one side closes it or a fault does.
func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client}
	p.mu.Lock()
	p.accepted++
	refused := p.fault.refuse || p.closed
	p.mu.Unlock()
	server, err := net.Dial("tcp4", p.target)
	if err == nil {
		l.server = server
	}
	if err != nil || refused {
		l.close()
		return
	}
	p.mu.Lock()
	if p.fault.refuse || p.closed {
		l.close()
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, toServer) })
	both.Go(func() { p.copy(l, toClient) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// copy forwards one direction of a link, and closes the link at its end.
func (p *Proxy) copy(l *link, direction int) {
	defer l.close()
	from, to := l.client, l.server
	if direction == toClient {
		from, to = l.server, l.client
	}
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && (!p.pass(l, direction, buffer[:n]) || !p.deliver(l, direction, to, buffer[:n])) {
			return
		}
		if err != nil {
			return
		}
	}
}

// pass springs the traps that bytes run into. It reports whether they may be delivered.
func (p *Proxy) pass(l *link, direction int, data []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if direction == toClient {
		if l.caught != nil {
			close(l.caught.sprung)
			l.caught = nil
			return false
		}
		return true
	}
	l.seen = append(l.seen, data...)
	for i, set := range p.traps {
		if !bytes.Contains(l.seen, set.text) {
			continue
		}
		p.traps = append(p.traps[:i:i], p.traps[i+1:]...)
		l.seen = nil
		if !set.answered {
			close(set.sprung)
			return false
		}
		l.caught = set
		return true
	}
	l.seen = l.seen[max(0, len(l.seen)-4096):]
	return true
}

// deliver writes bytes under the faults of the moment. It reports whether the link is still good.
func (p *Proxy) deliver(l *link, direction int, to net.Conn, data []byte) bool {
	for len(data) > 0 {
		p.mu.Lock()
		f, changed := p.fault, p.changed
		_, open := p.links[l]
		open = open && !p.closed
		p.mu.Unlock()
		switch {
		case f.refuse || !open:
			return false
		case f.hold[direction]:
			<-changed
			continue
		}
		part := data
		if f.rate > 0 {
			part = data[:min(len(data), max(1, f.rate/20))]
		}
		if _, err := to.Write(part); err != nil {
			return false
		}
		data = data[len(part):]
		if f.rate > 0 {
			select {
			case <-changed:
			case <-time.After(time.Duration(len(part)) * time.Second / time.Duration(f.rate)):
			}
		}
	}
	return true
}

// close resets both sides: nobody takes it for an orderly end.
func (l *link) close() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if conn == nil {
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			// A connection that the peer has closed already takes no options; it is gone either way.
			_ = tcp.SetLinger(0)
		}
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			continue
		}
	}
}
