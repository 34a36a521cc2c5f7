package flight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	arrowflight "github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rpc"
)

const (
	// downFirst and downMost bound how long a server that could not be reached is left alone while others can be.
	downFirst = 200 * time.Millisecond
	downMost  = 10 * time.Second
	// describeWait is how long a server may take to say what it serves.
	describeWait = 30 * time.Second
)

// streams is a carrier over Arrow Flight: to each server as many streams as it takes requests at once, each
// with one request at a time.
type streams struct {
	options *Options

	mu      sync.Mutex
	servers []*server
	next    int           // whose turn it is among equals
	freed   chan struct{} // closed when a request ends: who waits for a server looks again
}

// server is one address.
type server struct {
	address  rpc.Address
	client   arrowflight.Client // nil: not dialled yet
	idle     []*stream
	inFlight int
	credits  int
	faults   int       // in a row
	down     time.Time // it is left alone until then
}

func newStreams(o *Options) (*streams, error) {
	s := &streams{options: o, freed: make(chan struct{})}
	for _, text := range o.Addresses {
		a, err := rpc.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, &server{address: a, credits: DefaultCredits})
	}
	return s, nil
}

// describe asks every server, which all have to say the same.
func (s *streams) describe(ctx context.Context) (Description, error) {
	var all Description
	for i, x := range s.servers {
		d, err := s.ask(ctx, x)
		if err != nil {
			return Description{}, err
		}
		if i == 0 {
			all = d
			continue
		}
		all.Credits += d.Credits
		if err := sameFunctions(&all, &d); err != nil {
			return Description{}, fmt.Errorf("compare %s with %s: %w", x.address.Text, s.servers[0].address.Text, err)
		}
	}
	return all, nil
}

// sameFunctions tells of a function that two servers have in different revisions.
func sameFunctions(a, b *Description) error {
	for _, f := range a.Functions {
		g, err := b.find(f.Kind, f.Name)
		if err != nil {
			return err
		}
		if g.Revision != f.Revision || g.Dims != f.Dims {
			return fmt.Errorf("they serve two revisions of %s, %s and %s", f.Name, quoted(f.Revision), quoted(g.Revision))
		}
	}
	return nil
}

// ask asks one server what it serves, over a connection of its own: who only asks has nothing to close.
func (s *streams) ask(ctx context.Context, x *server) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, describeWait)
	defer cancel()
	client, err := x.connect(s.options)
	if err != nil {
		return Description{}, err
	}
	defer client.Close()
	results, err := client.DoAction(ctx, &arrowflight.Action{Type: "describe"})
	if err != nil {
		return Description{}, x.fault(err)
	}
	result, err := results.Recv()
	if err != nil {
		return Description{}, x.fault(err)
	}
	var d Description
	if err := json.Unmarshal(result.GetBody(), &d); err != nil || d.Protocol != 1 {
		return Description{}, malformed("%s is no worker of version 1: %.100q", x.address.Text, result.GetBody())
	}
	if d.Credits <= 0 {
		d.Credits = DefaultCredits
	}
	s.mu.Lock()
	x.credits = d.Credits
	s.mu.Unlock()
	return d, nil
}

// dial makes the connection to a server, which gRPC keeps up.
func (s *streams) dial(x *server) (arrowflight.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.client != nil {
		return x.client, nil
	}
	client, err := x.connect(s.options)
	x.client = client
	return client, err
}

// connect makes a connection.
func (x *server) connect(o *Options) (arrowflight.Client, error) {
	client, err := arrowflight.NewClientWithMiddleware(x.address.Target, nil, nil, x.address.Dialing(o.TLS)...)
	if err != nil {
		return nil, unavailable("reach worker at "+x.address.Text, err)
	}
	return client, nil
}

// exchange implements carrier. A request that a server could not be given goes to another one.
func (s *streams) exchange(ctx context.Context, r *request, take taker) error {
	for tries := len(s.servers); ; tries-- {
		x, err := s.acquire(ctx)
		if err != nil {
			return err
		}
		given, err := s.attempt(ctx, x, r, take)
		s.release(x, given, err)
		if err == nil || given || ctx.Err() != nil || tries == 1 {
			return err
		}
	}
}

// acquire waits for a server that takes one more request: of those that can be reached the one that has the
// fewest.
func (s *streams) acquire(ctx context.Context) (*server, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		var best *server
		for i := range s.servers {
			x := s.servers[(s.next+i)%len(s.servers)]
			if x.inFlight >= x.credits || now.Before(x.down) && s.upLocked(now) {
				continue
			}
			if best == nil || x.inFlight < best.inFlight {
				best = x
			}
		}
		if best != nil {
			best.inFlight++
			s.next++
			s.mu.Unlock()
			return best, nil
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// upLocked reports whether a server is there that can be reached, as far as is known.
func (s *streams) upLocked(now time.Time) bool {
	for _, x := range s.servers {
		if !now.Before(x.down) {
			return true
		}
	}
	return false
}

// release takes a server back after a request.
func (s *streams) release(x *server, given bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.inFlight--
	e, failed := errors.AsType[*accel.Error](err)
	if failed = failed && e.Kind == accel.Unavailable; failed && len(s.servers) > 1 {
		x.faults++
		x.down = time.Now().Add(min(downMost, downFirst<<min(x.faults-1, 10)))
	} else if given && !failed {
		x.faults, x.down = 0, time.Time{}
	}
	close(s.freed)
	s.freed = make(chan struct{})
}

// attempt sends a request on a stream of a server; given says that the server has begun with it.
func (s *streams) attempt(ctx context.Context, x *server, r *request, take taker) (given bool, err error) {
	client, err := s.dial(x)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	var st *stream
	if n := len(x.idle); n > 0 {
		st, x.idle = x.idle[n-1], x.idle[:n-1]
	}
	s.mu.Unlock()
	if st != nil && !st.serves(r) {
		st.close()
		st = nil
	}
	if st == nil {
		if st, err = openStream(ctx, client, r); err != nil {
			return false, x.fault(err)
		}
	}
	given, err = st.exchange(ctx, r, s.options.Timeout, take)
	if !st.broken {
		s.mu.Lock()
		x.idle = append(x.idle, st)
		s.mu.Unlock()
		return given, err
	}
	st.close()
	if _, ok := errors.AsType[*accel.Error](err); !ok && ctx.Err() == nil {
		err = x.fault(err)
	}
	return given, err
}

// fault is what gRPC says of a server, in our words.
func (x *server) fault(err error) error {
	e := rpc.Fault("worker at "+x.address.Text, err)
	if e.Kind == accel.Rejected {
		e.Kind = accel.Malformed // a row is rejected by its status
	}
	return e
}

// Close ends the streams and connections.
func (s *streams) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var faults []error
	for _, x := range s.servers {
		for _, st := range x.idle {
			st.close()
		}
		x.idle = nil
		if x.client != nil {
			faults = append(faults, x.client.Close())
			x.client = nil
		}
	}
	return errors.Join(faults...)
}
