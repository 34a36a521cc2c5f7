package accel

import (
	"sync"

	"github.com/freshet/freshet/backpressure"
)

const (
	// systemic is how many texts in a row the model may reject, none being answered in between, before it is
	// the model that is wrong and not the texts.
	systemic = 16
	// quarantined is how many rejected fingerprints are remembered.
	quarantined = 4096
)

// quarantine remembers what was rejected: when it comes again it goes alone, so that nothing has to be
// searched for a second time.
type quarantine struct {
	known map[[16]byte]bool
	ring  [][16]byte
	at    int
}

func (q *quarantine) has(fingerprint [16]byte) bool { return q.known[fingerprint] }

func (q *quarantine) add(fingerprint [16]byte) {
	if q.known[fingerprint] {
		return
	}
	if q.known == nil {
		q.known = map[[16]byte]bool{}
	}
	if len(q.ring) < quarantined {
		q.ring = append(q.ring, fingerprint)
	} else {
		delete(q.known, q.ring[q.at])
		q.ring[q.at] = fingerprint
		q.at = (q.at + 1) % quarantined
	}
	q.known[fingerprint] = true
}

// suspectLocked files a call that the model rejects alone. It is not called rejected yet: while the model
// has answered nothing since, and more calls wait, it may be the model that is wrong (another one, a wrong
// setting), and then no row deserves to be a dead letter.
func (b *Batcher) suspectLocked(c *call, verdict *Error) {
	if c.withdrawn {
		b.dropLocked(c)
		return
	}
	c.verdict, c.place = verdict, suspected
	c.hold(backpressure.Retrying)
	b.suspects = append(b.suspects, c)
}

// sentenceLocked starts to hand over the suspects when there is nothing left to ask the model.
func (b *Batcher) sentenceLocked(requests *sync.WaitGroup) {
	if len(b.suspects) == 0 || b.stats.InFlight > 0 || b.waitingLocked() > 0 {
		return
	}
	results := b.convictedLocked(nil)
	b.taking++
	requests.Go(func() { b.hand(results) })
}

// convictedLocked adds the results of the suspects: the model works, so it was the texts. That is so as soon
// as it has answered another one, or when there is nothing left to ask it.
func (b *Batcher) convictedLocked(results []Result) []Result {
	for _, c := range b.suspects {
		c.place = inFlight
		b.rejected.add(c.Fingerprint)
		results = append(results, b.resultLocked(c, &Answer{Err: c.verdict}, ""))
	}
	b.suspects = nil
	return results
}

// Resume asks at once again: a person has dealt with what the model was waiting for. Where it rejected
// every text, its word counts from now on.
func (b *Batcher) Resume() {
	b.mu.Lock()
	b.trusted = b.doubted
	b.doubted = false
	b.mu.Unlock()
	b.governor.Resume()
}
