package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"sync"
	"syscall"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// Run implements stream.Source. Nothing stands in the source before it is pushed, so that a run with Once is exhausted
// at once, and takes nothing.
func (s *Source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	at, err := readPlace(start.Resume)
	if err != nil {
		return err
	}
	s.begin(at.number)
	if start.Once {
		return ended(ctx, out.CaughtUp(ctx))
	}
	listener, err := s.listen(ctx, out)
	if err != nil {
		return ended(ctx, err)
	}
	s.listens(listener.Addr().String())
	defer s.listens("")
	if err := out.CaughtUp(ctx); err != nil { // whoever waits for the flow to be ready may push now
		return ended(ctx, errors.Join(err, listener.Close()))
	}
	var fields []int
	if len(start.Columns) > 0 {
		fields = start.Columns[0]
	}
	d := &desk{source: s, reader: newReader(s.schema, fields), room: newRoom(roomBodies * s.o.MaxBody), pushes: make(chan *push, queueMost), stopping: make(chan struct{})}
	return s.serve(ctx, listener, d, &run{out: out, desk: d, at: at})
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// The room is that of so many bodies of the largest size, and so many pushes may wait to be numbered.
const (
	roomBodies = 4
	queueMost  = 64
)

// serve answers requests and hands over what they push, until ctx ends. What it starts is gone when it returns.
func (s *Source) serve(ctx context.Context, listener net.Listener, d *desk, r *run) error {
	server := &nethttp.Server{Handler: d, ReadHeaderTimeout: headerTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug)}
	var open sync.WaitGroup // connections; Serve takes up none after it has returned
	server.ConnState = func(_ net.Conn, state nethttp.ConnState) {
		switch state {
		case nethttp.StateNew:
			open.Add(1)
		case nethttp.StateClosed, nethttp.StateHijacked:
			open.Done()
		}
	}
	var work sync.WaitGroup
	served := make(chan error, 1) // one place: Serve ends also when nobody waits any more
	work.Go(func() { served <- server.Serve(listener) })
	handed := make(chan error, 1)
	handing, stop := context.WithCancel(ctx)
	work.Go(func() { handed <- r.hand(handing) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	case err = <-handed:
	}
	close(d.stopping) // requests that wait are answered 503
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	if server.Shutdown(closing) != nil {
		err = errors.Join(err, server.Close())
	}
	cancel()
	stop()
	work.Wait()
	open.Wait()
	return ended(ctx, err)
}

// headerTime bounds the head of a request, and closeTime the answering of those that are open at the end.
const (
	headerTime = 10 * time.Second
	closeTime  = time.Second
)

// Between two tries to listen lies a pause that grows from pauseMin to pauseMax.
const (
	pauseMin = 100 * time.Millisecond
	pauseMax = 5 * time.Second
)

// listen waits for the address where another program still has it; anything else is for a person to mend.
func (s *Source) listen(ctx context.Context, out cdc.Inlet) (net.Listener, error) {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", s.o.Listen)
		if err == nil {
			if pause > pauseMin {
				out.Problem(nil)
			}
			return s.guarded(listener)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		fault := s.unusable(err)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fault
		}
		out.Problem(fault)
		if err := idle.For(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// unusable names an address that cannot be listened at.
func (s *Source) unusable(err error) *cdc.SourceError {
	fault := &cdc.SourceError{Code: "address_in_use", Err: fmt.Errorf("listen at %s: %w", s.o.Listen, err), Hint: "end the program that listens there, or name another port under listen"}
	if !errors.Is(err, syscall.EADDRINUSE) {
		fault.Code, fault.Hint = "address_unusable", "name an address of this machine under listen, and a port above 1023"
	}
	return fault
}

// guarded bounds connections, and encrypts them where there is a certificate.
func (s *Source) guarded(listener net.Listener) (net.Listener, error) {
	bounded := &bounded{Listener: listener, places: make(chan struct{}, connectionsMost)}
	if s.o.CertFile == "" {
		if host, _, err := net.SplitHostPort(s.o.Listen); err == nil && !loopback(host) {
			s.o.Logger.Warn("changes and the token come unencrypted: give a certificate under tls, or a proxy that has one", "listen", s.o.Listen)
		}
		return bounded, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.o.CertFile, s.o.KeyFile)
	if err != nil {
		return nil, errors.Join(&cdc.SourceError{Code: "bad_value", Err: fmt.Errorf("read certificate: %w", err), Hint: "name PEM files of a certificate and its key"}, listener.Close())
	}
	return tls.NewListener(bounded, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// connectionsMost bounds connections; more wait to be accepted.
const connectionsMost = 512

// bounded is a listener that accepts a connection where there is a place for it.
type bounded struct {
	net.Listener
	places chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a place first.
func (b *bounded) Accept() (net.Conn, error) {
	b.once.Do(func() { b.closed = make(chan struct{}) })
	select {
	case b.places <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.places
		return nil, err
	}
	return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-b.places })}, nil
}

// Close also ends an Accept that waits for a place.
func (b *bounded) Close() error {
	b.once.Do(func() { b.closed = make(chan struct{}) })
	close(b.closed)
	return b.Listener.Close()
}

// placed is a connection that leaves its place when it is closed.
type placed struct {
	net.Conn
	leave func()
}

// Close leaves the place.
func (p *placed) Close() error {
	p.leave()
	return p.Conn.Close()
}

// run numbers pushes and hands them over. It belongs to one goroutine.
type run struct {
	out  cdc.Inlet
	desk *desk
	at   *place
}

// batchBytes is about how much of what has come together is handed over at once.
const batchBytes = 1 << 20

// hand hands over pushes, together what has come up while the ones before were taken.
func (r *run) hand(ctx context.Context) error {
	for {
		var first *push
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first = <-r.desk.pushes:
		}
		batch := r.out.Batch()
		held := r.take(batch, first)
		for more := true; more && batch.Bytes() < batchBytes; {
			select {
			case next := <-r.desk.pushes:
				held += r.take(batch, next)
			default:
				more = false
			}
		}
		if batch.Len() > 0 {
			if err := r.out.Put(ctx, batch); err != nil {
				return err
			}
		}
		r.desk.room.give(held) // the credit is whoever's who runs the source now
	}
}

// take numbers a push and adds it to a batch, as a transaction of its own (I11).
func (r *run) take(batch *cdc.Batch, p *push) (held int64) {
	number, repeated := r.at.take(p.producer, p.sequence)
	if !repeated {
		own := numberOf(number)
		for _, c := range p.changes {
			change := cdc.Change{Op: cdc.Update, Key: c.key, After: c.row, Time: p.time, Position: own}
			if c.row == nil {
				change.Op = cdc.Delete
			}
			batch.Add(change)
		}
		batch.Commit(r.at.position(), p.time)
	}
	p.changes = nil
	p.taken <- taken{number, repeated}
	return p.bytes
}
