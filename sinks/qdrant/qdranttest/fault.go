package qdranttest

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Fault is one misbehaviour of a server, spent by the write that meets it.
type Fault uint8

// The misbehaviours.
const (
	LostAck  Fault = iota + 1 // everything is written, and the answer is lost
	Partial                   // a chunk is written, then an error
	Refusing                  // nothing is written
	Limited                   // nothing is written: too many requests
	Unsure                    // everything is written, and the answer says that it is only acknowledged
	Emptied                   // nothing is written, and every collection is gone
)

// Script adds faults to be met by the next writes, in order.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Forgive forgets the faults that are still to come.
func (s *Server) Forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Reject has the server take no point whose id fn reports; nil: it takes all.
func (s *Server) Reject(fn func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject = fn
}

// Miss has searches over the index not find the points whose id fn reports, as those of an index may that has lost its
// way to them; exact searches find them.
func (s *Server) Miss(fn func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misses = fn
}

// Wipe removes all collections and aliases behind everybody's back.
func (s *Server) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
}

func (s *Server) wipe() {
	clear(s.collections)
	clear(s.aliases)
}

// Settle has readers see the writes that were not waited for. Those without strong ordering come newest first.
func (s *Server) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
}

func (s *Server) settle() {
	for _, write := range s.waiting {
		write()
	}
	s.waiting = nil
}

// spend takes the next fault.
func (s *Server) spend() Fault {
	if len(s.faults) == 0 {
		return 0
	}
	f := s.faults[0]
	s.faults = s.faults[1:]
	return f
}

// err is how a fault is answered once it has done its work.
func (f Fault) err() error {
	switch f {
	case Limited:
		return status.Error(codes.ResourceExhausted, "Rate limiting exceeded: write rate limit")
	case Partial:
		return status.Error(codes.Internal, "Service internal error: scripted")
	case LostAck, Refusing:
		return status.Error(codes.Unavailable, "scripted")
	}
	return nil
}
