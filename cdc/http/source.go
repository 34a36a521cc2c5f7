package http

import (
	"context"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Source takes what is pushed to it as one keyed collection.
type Source struct {
	o      Options
	schema *cdc.Schema
	facts  facts

	mu      sync.Mutex
	durable uint64        // number of the newest push that is durable
	changed chan struct{} // closed and made anew when durable grows
	address string        // where it listens; empty: it does not
}

// New declares a source. Its faults are *cdc.OptionError, joined.
func New(o Options) (*Source, error) {
	if err := o.settle(); err != nil {
		return nil, err
	}
	return &Source{o: o, schema: o.schema(), changed: make(chan struct{})}, nil
}

// Collections implements stream.Source.
func (s *Source) Collections(context.Context) ([]cdc.Collection, error) {
	return []cdc.Collection{{Schema: s.schema}}, nil
}

// Confirm implements stream.Confirmer: pushes up to the position are durable, and are answered (I1).
func (s *Source) Confirm(_ context.Context, position cdc.Position) error {
	at, err := readPlace(position)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.number > s.durable {
		s.durable = at.number
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return nil
}

// begin is a run that begins behind a push.
func (s *Source) begin(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable = number
}

// reached is whether a push is durable, and what tells of a change.
func (s *Source) reached(number uint64) (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable >= number, s.changed
}

// Address is where the source listens; empty: it does not. It is for whoever let it take a free port.
func (s *Source) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

func (s *Source) listens(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = address
}
