package accel

import (
	"context"
	"sync"
	"time"

	"github.com/freshet/freshet/backpressure"
)

const (
	// restShare is how often a call of the rest is taken while live calls wait: one of eight.
	restShare = 8
	// never is a wait that no time ends: something else has to happen first.
	never = time.Duration(-1)
)

// request is what one slot sends.
type request struct {
	calls  []*call
	permit *backpressure.Permit
	delay  time.Duration // the back-off that its calls have behind them
	retry  bool
	canary bool
	padded int // tokens, with what a model that pads adds
}

// nextLocked takes the next request that may leave, or returns when to look again.
func (b *Batcher) nextLocked() (*request, time.Duration) {
	now := time.Now()
	if b.taking >= b.governor.Concurrency() {
		return nil, never // results come faster than they are taken
	}
	if r := b.canaryLocked(now); r != nil {
		return b.admitLocked(backpressure.Ask{First: r.calls[0].cost}, func(*backpressure.Room) *request {
			b.canary.asking = true
			return r
		})
	}
	if b.canary.due {
		return nil, never // its answer comes first
	}
	if b.governor.Probing() {
		c := b.probeLocked()
		if c == nil {
			return nil, never
		}
		return b.admitLocked(backpressure.Ask{First: c.cost}, func(*backpressure.Room) *request {
			b.pullLocked(c)
			return &request{calls: []*call{c}}
		})
	}
	p, wait := b.duePieceLocked(now)
	if p != nil {
		ask := backpressure.Ask{First: p.calls[0].cost, Want: p.calls[0].cost, Retry: p.retry}
		r, again := b.admitLocked(ask, func(room *backpressure.Room) *request { return b.cutLocked(p, room) })
		if r != nil {
			return r, 0
		}
		wait = again
	}
	c := b.headLocked(false)
	if c == nil {
		return nil, wait
	}
	r, again := b.admitLocked(backpressure.Ask{First: c.cost, Want: b.wantLocked()}, b.fillLocked)
	if r == nil && (wait == never || again != never && again < wait) {
		wait = again
	}
	return r, wait
}

// wantLocked is the cost of all that waits and would fit into one request.
func (b *Batcher) wantLocked() backpressure.Cost {
	return backpressure.Cost{
		Rows:  int64(min(b.options.Rows, b.live.count+b.rest.count)),
		Input: int64(min(b.memory.budget, b.live.cost+b.rest.cost)),
	}
}

// admitLocked asks the governor for one request, gathered by pick.
func (b *Batcher) admitLocked(ask backpressure.Ask, pick func(*backpressure.Room) *request) (*request, time.Duration) {
	var r *request
	permit, wait := b.governor.Admit(ask, func(room *backpressure.Room) backpressure.Cost {
		r = pick(room)
		var cost backpressure.Cost
		for _, c := range r.calls {
			cost = cost.Plus(c.cost)
		}
		return cost
	})
	if permit == nil {
		return nil, wait
	}
	r.permit = permit
	longest := 0
	for _, c := range r.calls {
		c.attempts++
		c.hold(backpressure.InFlight)
		longest = max(longest, c.tokens())
		b.stats.RealTokens += int64(c.tokens())
	}
	r.padded = longest * len(r.calls)
	b.stats.PaddedTokens += int64(r.padded)
	b.stats.Requests++
	b.stats.InFlight++
	if !r.canary {
		b.stats.InFlightCalls += len(r.calls)
		b.stats.Sizes.add(len(r.calls))
		b.stats.Sent += int64(len(r.calls))
	}
	if r.retry {
		b.stats.Retries++
	}
	return r, 0
}

// probeLocked names one call: of a piece, else a live one, else one of the rest; each in its turn, so
// that a single text that breaks the server cannot pass for an outage for ever.
func (b *Batcher) probeLocked() *call {
	if len(b.pieces) > 0 {
		return b.pieces[0].calls[0]
	}
	if b.live.empty() && b.rest.empty() {
		b.unparkLocked()
	}
	return b.headLocked(false)
}

// unparkLocked gives the calls that probes have tried back to their lines, to the front, where they were.
func (b *Batcher) unparkLocked() {
	for i := len(b.tried) - 1; i >= 0; i-- {
		b.homeLocked(b.tried[i]).pushFront(b.tried[i])
	}
	b.tried = nil
}

// headLocked is the new call that has its turn: live ones first, with every eighth from the rest, so that
// neither starves. It is nil when no new call waits.
func (b *Batcher) headLocked(begun bool) *call {
	switch {
	case b.live.empty() && b.rest.empty():
		return nil
	case b.live.empty(), !b.rest.empty() && b.turns >= restShare-1:
		return b.rest.next(begun)
	}
	return b.live.next(begun)
}

// shape is what a request is made of so far.
type shape struct {
	rows, tokens, longest int
	cost                  backpressure.Cost
}

// fits reports whether one more call may go along. The first one always may.
func (b *Batcher) fits(s *shape, c *call, room *backpressure.Room) bool {
	if s.rows == 0 {
		return true
	}
	size := s.tokens + c.tokens()
	if b.options.Padded {
		size = (s.rows + 1) * max(s.longest, c.tokens())
	}
	return s.rows < b.options.Rows && size <= b.memory.budget && !c.alone && room.Holds(s.cost.Plus(c.cost))
}

func (s *shape) add(c *call) {
	s.rows++
	s.tokens += c.tokens()
	s.longest = max(s.longest, c.tokens())
	s.cost = s.cost.Plus(c.cost)
}

// cutLocked takes as many calls from the front of a piece as may go together.
func (b *Batcher) cutLocked(p *piece, room *backpressure.Room) *request {
	r := &request{delay: p.delay, retry: p.retry}
	var s shape
	for _, c := range p.calls[:min(p.limit, len(p.calls))] {
		if !b.fits(&s, c, room) {
			break
		}
		s.add(c)
		r.calls = append(r.calls, c)
		if c.alone {
			break
		}
	}
	b.dropPieceLocked(p, len(r.calls))
	return r
}

// fillLocked takes new calls up to the bounds of a request.
func (b *Batcher) fillLocked(room *backpressure.Room) *request {
	r := &request{}
	var s shape
	for {
		c := b.headLocked(s.rows > 0)
		if c == nil || !b.fits(&s, c, room) {
			return r
		}
		b.turns++
		if !c.Live {
			b.turns = 0
			b.rest.take(c)
		} else {
			b.live.take(c)
		}
		s.add(c)
		r.calls = append(r.calls, c)
		if c.alone {
			return r
		}
	}
}

// waitingLocked is the number of calls that wait to be sent.
func (b *Batcher) waitingLocked() int {
	n := b.live.count + b.rest.count + len(b.tried)
	for _, p := range b.pieces {
		n += len(p.calls)
	}
	return n
}

// perform sends a request, and whatever may leave in its place when it is over: a slot waits for nobody to be told.
func (b *Batcher) perform(ctx context.Context, r *request, requests *sync.WaitGroup) {
	for r != nil {
		results := b.ask(ctx, r)
		r = b.follow(ctx)
		requests.Go(func() { b.hand(results) })
	}
}

// ask sends one request and deals with its outcome.
func (b *Batcher) ask(ctx context.Context, r *request) []Result {
	asked := make([]Asked, len(r.calls))
	for i, c := range r.calls {
		asked[i] = c.asked()
	}
	var answers Answers
	err := b.governor.Secure()
	secured := err == nil
	if secured {
		limited, cancel := context.WithTimeout(ctx, b.options.Timeout)
		answers, err = b.answerer.Answer(limited, asked)
		cancel()
	}
	results, told := b.settle(r, answers, err, !secured || ctx.Err() != nil)
	b.report(b.timed(told), err, secured)
	return results
}

// follow takes the next request if one may leave now.
func (b *Batcher) follow(ctx context.Context) *request {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || ctx.Err() != nil {
		return nil
	}
	r, _ := b.nextLocked()
	return r
}

// hand has the results of a request taken.
func (b *Batcher) hand(results []Result) {
	if len(results) > 0 {
		b.options.Done(results)
	}
	b.mu.Lock()
	b.forgetLocked(results)
	b.taking--
	b.mu.Unlock()
	b.signal()
}
