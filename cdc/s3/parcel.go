package s3

import (
	"context"
	"strings"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// parcel holds the keys that one message told of.
type parcel struct {
	keys    []string
	left    int                   // keys that are not settled
	settled func(sequence uint64) // called once, with the number of a transaction that covers all of them; may be nil
}

// maxParcels is how many parcels may wait for the run. Whoever listens waits while there are more.
const maxParcels = 64

// done counts a key as settled by the transactions up to a number.
func (p *parcel) done(sequence uint64) {
	if p.left--; p.left == 0 && p.settled != nil {
		p.settled(sequence)
	}
}

// open has the keys of a parcel looked at.
func (r *run) open(ctx context.Context, p *parcel) error {
	p.left = len(p.keys)
	for _, key := range p.keys {
		r.touched[key] = struct{}{}
		if err := r.push(ctx, &look{key: key, parcel: p}); err != nil {
			return err
		}
	}
	return nil
}

// forget begins a new page, which is younger than every look but those under way.
func (r *run) forget() {
	clear(r.touched)
	for key := range r.window.keys {
		r.touched[key] = struct{}{}
	}
}

// breathe is called between two keys of a pass: what notifications tell does not wait for the end of a long pass, nor
// does what has been found. What comes meanwhile is for the next time, so that the pass goes on.
func (r *run) breathe(ctx context.Context) error {
	for range len(r.window.answered) {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	for range len(r.parcels) {
		if err := r.open(ctx, <-r.parcels); err != nil {
			return err
		}
	}
	if !r.packer.Due() {
		return nil
	}
	return r.packer.Flush(ctx)
}

// sieve takes from notifications the keys that are worth a look. It is safe for concurrent use.
type sieve struct {
	bucket, prefix string

	mu    sync.Mutex
	order sequencers
	count cdc.Notices
}

// begin forgets the order of what was told before: a run that begins looks at everything itself.
func (s *sieve) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = sequencers{}
}

// keys are those that a message tells of. What cannot be read, is of another bucket or outside of the prefix, or is
// older than what has been looked at, is counted and nothing more.
func (s *sieve) keys(body []byte) (keys []string, err error) {
	_, err = s.offer(body, func(all []string) bool {
		keys = all
		return true
	})
	return keys, err
}

// offer is keys for a taker who may have no room, and must not wait. A message that is not taken comes again as a whole, so
// that nothing of it is counted or remembered. Where no key is worth a look the taker is not asked.
func (s *sieve) offer(body []byte, take func(keys []string) bool) (taken bool, err error) {
	hints, err := decode(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.count.Unreadable++
		return false, err
	}
	keys, count := s.sift(hints)
	if len(keys) > 0 && !take(keys) {
		return false, nil
	}
	s.count = count
	for i := range hints {
		if s.inside(&hints[i]) {
			s.order.remember(&hints[i])
		}
	}
	return true, nil
}

// sift finds the keys that are worth a look, and what the counts are then. The caller holds the lock.
func (s *sieve) sift(hints []hint) (keys []string, count cdc.Notices) {
	count = s.count
	seen := make(map[string]struct{}, len(hints))
	for i := range hints {
		h := &hints[i]
		_, twice := seen[h.key]
		switch {
		case h.bucket != s.bucket:
			count.Foreign++
		case !s.inside(h):
			count.Outside++
		case !s.order.news(h) || twice:
			count.Repeated++
		default:
			seen[h.key] = struct{}{}
			keys = append(keys, h.key)
			count.Taken++
		}
	}
	return keys, count
}

// inside reports whether a hint is of the bucket and of a key that the source reads.
func (s *sieve) inside(h *hint) bool {
	return h.bucket == s.bucket && strings.HasPrefix(h.key, s.prefix) && h.key != "" && utf8Key(h.key)
}

// tally is what has been counted so far.
func (s *sieve) tally() cdc.Notices {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}
