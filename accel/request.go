package accel

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// restShare is how often a call of the rest is taken while live calls wait: one of eight.
const restShare = 8

// request is what one slot sends.
type request struct {
	calls []*call
	pass  pass
	delay time.Duration // the back-off that its calls have behind them
}

// nextLocked takes the next request that may leave, or returns when to look again.
func (b *Batcher) nextLocked(now time.Time) (*request, time.Duration) {
	if wait := b.gate.admit(now, b.stats.InFlight); wait != 0 {
		return nil, wait
	}
	r, wait := b.takeLocked(now)
	if r == nil {
		return nil, wait
	}
	r.pass = b.gate.sent()
	for _, c := range r.calls {
		c.attempts++
	}
	b.stats.Requests++
	b.stats.InFlight++
	b.stats.InFlightCalls += len(r.calls)
	return r, 0
}

// takeLocked takes one call for a probe, else a piece that is due, else new calls.
func (b *Batcher) takeLocked(now time.Time) (*request, time.Duration) {
	if b.gate.open {
		if c := b.probeLocked(); c != nil {
			return &request{calls: []*call{c}}, 0
		}
		return nil, never
	}
	p, wait := b.duePieceLocked(now)
	if p != nil {
		return b.cutLocked(p), 0
	}
	if calls := b.fillLocked(); len(calls) > 0 {
		return &request{calls: calls}, 0
	}
	return nil, wait
}

// probeLocked takes one call: of a piece, else a live one, else one of the rest; each in its turn, so
// that a single text that breaks the server cannot pass for an outage for ever.
func (b *Batcher) probeLocked() *call {
	if len(b.pieces) > 0 {
		c := b.pieces[0].calls[0]
		b.leavePieceLocked(c)
		return c
	}
	if b.live.empty() && b.rest.empty() {
		b.unparkLocked()
	}
	for _, q := range []*queue{&b.live, &b.rest} {
		if c := q.head; c != nil {
			q.remove(c)
			return c
		}
	}
	return nil
}

// unparkLocked gives the calls that probes have tried back to their queues, to the front, where they were.
func (b *Batcher) unparkLocked() {
	for c := b.parked.tail; c != nil; c = b.parked.tail {
		b.parked.remove(c)
		b.homeLocked(c).pushFront(c)
	}
}

// duePieceLocked returns the piece that has waited longest, or how long the next one has to wait.
func (b *Batcher) duePieceLocked(now time.Time) (*piece, time.Duration) {
	if len(b.pieces) == 0 {
		return nil, never
	}
	first := slices.MinFunc(b.pieces, func(x, y *piece) int { return x.due.Compare(y.due) })
	if wait := first.due.Sub(now); wait > 0 {
		return nil, wait
	}
	return first, 0
}

// cutLocked takes as many calls from the front of a piece as may go together.
func (b *Batcher) cutLocked(p *piece) *request {
	n := min(p.limit, len(p.calls))
	r := &request{calls: slices.Clone(p.calls[:n]), delay: p.delay}
	p.calls = slices.Delete(p.calls, 0, n)
	for _, c := range r.calls {
		c.piece = nil
	}
	b.dropEmptyLocked(p)
	return r
}

func (b *Batcher) leavePieceLocked(c *call) {
	p := c.piece
	i := slices.Index(p.calls, c)
	p.calls = slices.Delete(p.calls, i, i+1)
	c.piece = nil
	b.dropEmptyLocked(p)
}

func (b *Batcher) dropEmptyLocked(p *piece) {
	if len(p.calls) == 0 {
		i := slices.Index(b.pieces, p)
		b.pieces = slices.Delete(b.pieces, i, i+1)
	}
}

// fillLocked takes new calls up to the bounds of a request: live ones first, with every eighth from
// the rest, so that neither starves.
func (b *Batcher) fillLocked() []*call {
	var calls []*call
	for tokens := 0; len(calls) < b.options.Rows; {
		q := &b.live
		if q.empty() || !b.rest.empty() && b.turns >= restShare-1 {
			q = &b.rest
		}
		c := q.head
		if c == nil || len(calls) > 0 && tokens+c.tokens > b.options.Tokens {
			break
		}
		q.remove(c)
		calls = append(calls, c)
		tokens += c.tokens
		b.turns++
		if q == &b.rest {
			b.turns = 0
		}
	}
	return calls
}

// perform sends one request and deals with its outcome. The slot is free when Done has returned.
func (b *Batcher) perform(ctx context.Context, r *request) {
	texts := make([]string, len(r.calls))
	for i, c := range r.calls {
		texts[i] = c.Text
	}
	limited, cancel := context.WithTimeout(ctx, b.options.Timeout)
	reply, err := b.embedder.Embed(limited, texts)
	cancel()
	if err == nil && len(reply.Vectors) != len(texts) {
		wrong := fmt.Sprintf("%d vectors for %d texts", len(reply.Vectors), len(texts))
		err = &Error{Kind: Malformed, Message: wrong}
	}
	results, turn := b.settle(r, reply, err, ctx.Err() != nil)
	b.report(turn)
	if len(results) > 0 {
		b.options.Done(results)
	}
	b.mu.Lock()
	b.forgetLocked(results)
	b.stats.InFlight--
	b.mu.Unlock()
	b.signal()
}

// turn is a change of the model's availability, told to the log outside the lock.
type turn struct {
	recovered bool
	failure   *Error // opened an outage
	until     time.Time
}

// settle files the calls of a request that is over: as results, or to be sent again. When stopped,
// Run is ending and a failure says nothing about the model.
func (b *Batcher) settle(r *request, reply Reply, err error, stopped bool) ([]Result, turn) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.InFlightCalls -= len(r.calls)
	b.stats.Usage.add(reply.Usage)
	if err == nil {
		t := b.answeredLocked(r.pass, now)
		b.stats.Calls += int64(len(r.calls))
		return b.resultsLocked(r.calls, reply, nil), t
	}
	if stopped {
		b.againLocked(r.calls, &piece{limit: len(r.calls), due: now, delay: r.delay})
		return nil, turn{}
	}
	b.stats.Failures++
	e := asError(err, b.options.Timeout)
	if e.Kind == Rejected {
		t := b.answeredLocked(r.pass, now)
		if len(r.calls) > 1 {
			b.againLocked(r.calls, &piece{limit: (len(r.calls) + 1) / 2, due: now, delay: r.delay})
			return nil, t
		}
		b.stats.Rejected++
		return b.resultsLocked(r.calls, Reply{}, e), t
	}
	return nil, b.failedLocked(r, now, e)
}

func (b *Batcher) answeredLocked(p pass, now time.Time) turn {
	recovered := b.gate.answered(p, now)
	if recovered {
		b.unparkLocked()
	}
	return turn{recovered: recovered}
}

// resultsLocked makes the results of calls. Until Done has taken them the calls are still known: who
// submits one again meanwhile gets this result and pays for no other (I7).
func (b *Batcher) resultsLocked(calls []*call, reply Reply, err error) []Result {
	results := make([]Result, len(calls))
	for i, c := range calls {
		results[i] = Result{Fingerprint: c.Fingerprint, Model: reply.Model, Err: err, Attempts: c.attempts}
		if err == nil {
			results[i].Vector = reply.Vectors[i]
		}
	}
	b.finishing += len(calls)
	return results
}

// forgetLocked ends the calls whose results Done has taken.
func (b *Batcher) forgetLocked(results []Result) {
	for i := range results {
		delete(b.calls, results[i].Fingerprint)
	}
	b.finishing -= len(results)
}

// failedLocked files the calls of a request that an outage ended.
func (b *Batcher) failedLocked(r *request, now time.Time, e *Error) turn {
	opened, lone := b.gate.failed(r.pass, now, e)
	p := &piece{limit: len(r.calls), due: now, delay: r.delay}
	switch {
	case r.pass.probe:
		b.parkLocked(r.calls[0])
		p = nil
	case e.Retryable() && e.RetryAfter == 0:
		p.delay = backoff(r.delay)
		p.due = now.Add(p.delay)
		if lone {
			// The model had just answered others: one of these texts may be what breaks it.
			p.limit = (p.limit + 1) / 2
		}
	}
	if p != nil {
		b.againLocked(r.calls, p)
	}
	if !opened {
		return turn{}
	}
	return turn{failure: e, until: b.gate.probeAt}
}

// againLocked lets calls wait in p, except those that were withdrawn meanwhile.
func (b *Batcher) againLocked(calls []*call, p *piece) {
	for _, c := range calls {
		if c.withdrawn {
			delete(b.calls, c.Fingerprint)
			continue
		}
		c.piece = p
		p.calls = append(p.calls, c)
	}
	if len(p.calls) > 0 {
		b.pieces = append(b.pieces, p)
	}
}

// parkLocked lets the call of a failed probe wait behind those that have not been tried. A probe that
// ends after the outage, answered by another one, waits in its queue again.
func (b *Batcher) parkLocked(c *call) {
	if c.withdrawn {
		delete(b.calls, c.Fingerprint)
		return
	}
	if !b.gate.open {
		b.homeLocked(c).pushFront(c)
		return
	}
	b.parked.pushBack(c)
}

func (b *Batcher) report(t turn) {
	model := slog.String("model", b.identity.Provider+"/"+b.identity.Model)
	switch {
	case t.recovered:
		b.options.Logger.Info("model answers again", model)
	case t.failure != nil:
		b.options.Logger.Warn("model unavailable", model, slog.Any("error", t.failure),
			slog.Time("next_probe", t.until), slog.String("hint", t.failure.Hint()))
	}
}
