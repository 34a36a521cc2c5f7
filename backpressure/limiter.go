package backpressure

import "time"

// shrink is what is left of the limit after a request was lost to overload.
const shrink = 0.7

// limiter bounds the requests in flight by additive increase and multiplicative decrease. It begins with
// one, so that a restarted flow learns of a wrong key or a Retry-After from one request, and doubles with
// every round trip until the first loss; from then on it grows by one each round trip. One loss of a round
// trip counts: those that were in flight with it say nothing new.
type limiter struct {
	most    int
	limit   float64
	slow    float64 // below it the limit doubles each round trip
	shrunk  time.Time
	pending bool // a loss has been counted, and no request sent after it has come back
}

func newLimiter(most int) limiter { return limiter{most: most, limit: 1, slow: float64(most)} }

// allowed is the number of requests that may be in flight.
func (l *limiter) allowed() int { return max(1, int(l.limit)) }

// grew notes an answer to a request sent at that time.
func (l *limiter) grew(sent time.Time) {
	if l.pending && !sent.Before(l.shrunk) {
		l.pending = false
	}
	if l.limit < l.slow {
		l.limit++
	} else {
		l.limit += 1 / l.limit
	}
	l.limit = min(l.limit, float64(l.most))
}

// lost notes that a request sent at that time met an overload.
func (l *limiter) lost(now, sent time.Time) {
	if l.pending && sent.Before(l.shrunk) {
		return
	}
	l.limit = max(1, l.limit*shrink)
	l.slow = l.limit
	l.shrunk, l.pending = now, true
}

// restart begins anew with one request, and doubles up to where it stood.
func (l *limiter) restart(now time.Time) {
	l.slow = max(l.slow, l.limit)
	l.limit = 1
	l.shrunk, l.pending = now, true
}
