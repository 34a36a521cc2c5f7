package accel

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// insecure is how long a request waits that could not be sent because what it may cost is not durable.
const insecure = time.Second

// settle files the calls of a request that is over: as results, or to be sent again. When stopped, it was
// given up by us and says nothing about the model.
func (b *Batcher) settle(r *request, answers Answers, err error, stopped bool) ([]Result, told) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.InFlight--
	b.taking++
	if !r.canary {
		b.stats.InFlightCalls -= len(r.calls)
	}
	b.stats.Usage.add(answers.Usage)
	if err == nil && len(answers.Each) != len(r.calls) {
		err = &Error{Kind: Malformed, Message: fmt.Sprintf("%d answers for %d texts", len(answers.Each), len(r.calls))}
	}
	outcome := outcomeOf(len(r.calls), &answers, err)
	var e *Error
	if err != nil {
		e = asError(err, b.options.Timeout)
	}
	alone := len(r.calls) == 1
	var given []Result
	if e != nil && !r.canary && len(answers.Each) == len(r.calls) {
		given, e = b.givenLocked(r, &answers, e)
	}
	if err != nil && stopped {
		outcome.Verdict = backpressure.Withdrawn
		b.governor.Settle(r.permit, outcome)
		b.canary.asking = b.canary.asking && !r.canary
		b.againLocked(r, &piece{limit: len(r.calls), due: now.Add(insecure), delay: r.delay, retry: r.retry})
		return given, told{}
	}
	if r.canary {
		e = b.settleCanaryLocked(now, answers, e)
	}
	if e == nil {
		return b.answeredLocked(r, answers, outcome)
	}
	b.stats.Failures++
	var results []Result
	var t told
	switch {
	case len(r.calls) == 0:
		blame(&outcome, e)
		t = b.outage(b.governor.Settle(r.permit, outcome), e)
	case e.Kind == Broke && !r.canary:
		results, t = b.brokenLocked(r, e, outcome, alone)
	default:
		results, t = b.refusedLocked(r, e, outcome, now)
	}
	return append(given, results...), t
}

// outcomeOf is what a request says about the endpoint before its error is looked at.
func outcomeOf(rows int, answers *Answers, err error) backpressure.Outcome {
	return backpressure.Outcome{Announced: answers.Announced, Charged: err == nil || answers.Usage != (Usage{}),
		Used: backpressure.Cost{Rows: int64(rows), Input: answers.Usage.InputTokens, Output: answers.Usage.OutputTokens}}
}

// blame adds what an error says.
func blame(outcome *backpressure.Outcome, e *Error) {
	outcome.Announced = append(outcome.Announced, e.Announced...)
	outcome.Said, outcome.RetryAfter = e.Error(), e.RetryAfter
	switch {
	case e.Kind == Rejected:
		outcome.Verdict = backpressure.Answered
	case e.Kind == OutOfMemory:
		outcome.Verdict = backpressure.Exhausted
	case e.Kind == Changed:
		outcome.Verdict = backpressure.Withdrawn
	case e.Kind.reason() != "":
		outcome.Verdict, outcome.Reason = backpressure.Refused, e.Kind.reason()
	default:
		outcome.Verdict = backpressure.Failed
	}
}

// told is a change of the model's availability, for the log, which is written outside the lock.
type told struct {
	closed  bool
	opened  bool
	during  bool // a failure while the model is out
	failure *Error
	until   time.Time
	after   time.Duration // of closed: how long no call was answered
}

// timed adds how long the outage was that has ended. One that a question beside the calls has met, and no call, is not told of: who asked
// was told. Where a call meets it later, it begins with that.
func (b *Batcher) timed(t told) told {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case t.closed && !b.down.IsZero():
		t.after, b.down = time.Since(b.down), time.Time{}
	case t.closed:
		t.closed = false
	case (t.opened || t.during) && b.down.IsZero():
		t.opened, b.down = true, time.Now()
	}
	return t
}

// outage is what a failure is told by, where the model is out.
func (b *Batcher) outage(settled backpressure.Settled, e *Error) told {
	return told{opened: settled.Opened, during: b.governor.Probing(), failure: e, until: settled.Until}
}

// answeredLocked files the answers to a request.
func (b *Batcher) answeredLocked(r *request, answers Answers, outcome backpressure.Outcome) ([]Result, told) {
	settled := b.governor.Settle(r.permit, outcome)
	b.memory.answered()
	if r.canary {
		return nil, told{closed: settled.Closed}
	}
	results := b.fileLocked(r.calls, &answers)
	b.endOutageLocked(settled)
	return results, told{closed: settled.Closed}
}

// fileLocked files the answers to calls.
func (b *Batcher) fileLocked(calls []*call, answers *Answers) []Result {
	var results []Result
	var later []*call
	proof := false
	for i, c := range calls {
		a := &answers.Each[i]
		if a.Later {
			c.attempts--
			later = append(later, c)
			continue
		}
		if a.Again != nil {
			c.turn = a.Again
			c.cost = b.answerer.Cost(c.asked())
			b.againLocked(&request{calls: []*call{c}}, &piece{limit: 1, due: time.Now()})
			continue
		}
		proof = proof || a.Err == nil
		results = append(results, b.resultLocked(c, a, answers.Model))
	}
	if len(later) > 0 {
		b.againLocked(&request{calls: later}, &piece{limit: len(later), due: time.Now()})
	}
	if proof {
		b.doubted, b.trusted = false, false
		results = b.convictedLocked(results)
	}
	return results
}

// endOutageLocked lets what probes have tried wait where it was.
func (b *Batcher) endOutageLocked(settled backpressure.Settled) {
	if settled.Closed {
		b.unparkLocked()
	}
}

// refusedLocked files a request that was not answered.
func (b *Batcher) refusedLocked(r *request, e *Error, outcome backpressure.Outcome, now time.Time) ([]Result, told) {
	blame(&outcome, e)
	switch {
	case e.Kind == Changed:
		b.governor.Settle(r.permit, outcome)
		b.governor.Stop(backpressure.ReasonChanged, e.Error())
		b.againLocked(r, &piece{limit: len(r.calls), due: now, delay: r.delay})
		return nil, told{opened: true, failure: e}
	case e.Kind == Rejected && !r.canary:
		return b.rejectedLocked(r, e, outcome, now)
	case e.Kind == OutOfMemory && !r.canary:
		return b.exceededLocked(r, e, outcome, now)
	}
	settled := b.governor.Settle(r.permit, outcome)
	b.failedLocked(r, e, settled, now)
	return nil, b.outage(settled, e)
}

// rejectedLocked separates the texts that the model will not take from their siblings.
func (b *Batcher) rejectedLocked(r *request, e *Error, outcome backpressure.Outcome, now time.Time) ([]Result, told) {
	bad, good := named(r.calls, e.Rows)
	if len(bad) == 0 && len(r.calls) > 1 {
		settled := b.governor.Settle(r.permit, outcome)
		b.againLocked(r, &piece{limit: (len(r.calls) + 1) / 2, due: now, delay: r.delay})
		b.endOutageLocked(settled)
		return nil, told{closed: settled.Closed}
	}
	if len(r.calls) == 1 {
		bad, good = r.calls, nil
	}
	for _, c := range bad {
		b.suspectLocked(c, e)
	}
	if b.doubted || !b.trusted && len(b.suspects) >= systemic {
		return nil, b.doubtLocked(r, e, outcome)
	}
	settled := b.governor.Settle(r.permit, outcome)
	if len(good) > 0 {
		b.againLocked(&request{calls: good}, &piece{limit: len(good), due: now, delay: r.delay})
	}
	b.endOutageLocked(settled)
	var results []Result
	if b.trusted {
		results = b.convictedLocked(results)
	}
	return results, told{closed: settled.Closed}
}

// doubtLocked blames the model and not the texts, of which it takes none: it is left alone like one that a
// person has to see to, and they are asked again one by one.
func (b *Batcher) doubtLocked(r *request, e *Error, outcome backpressure.Outcome) told {
	first := !b.doubted
	b.doubted = true
	outcome.Verdict, outcome.Reason = backpressure.Refused, backpressure.ReasonErrors
	outcome.Said = "it rejects every text: " + e.Error()
	settled := b.governor.Settle(r.permit, outcome)
	for _, c := range b.suspects {
		c.place = parked
	}
	b.tried = append(b.tried, b.suspects...)
	b.suspects = nil
	return told{opened: first, failure: e, until: settled.Until}
}

// named splits calls into those at the places that a server has named, and the others.
func named(calls []*call, rows []int) (bad, good []*call) {
	marked := make(map[int]bool, len(rows))
	for _, row := range rows {
		marked[row] = row >= 0 && row < len(calls)
	}
	for i, c := range calls {
		if marked[i] {
			bad = append(bad, c)
		} else {
			good = append(good, c)
		}
	}
	return bad, good
}

// exceededLocked sends a request that was too much for the model's memory again in halves.
func (b *Batcher) exceededLocked(r *request, e *Error, outcome backpressure.Outcome, now time.Time) ([]Result, told) {
	b.governor.Settle(r.permit, outcome)
	b.memory.exceeded(r.padded)
	if len(r.calls) > 1 {
		b.againLocked(r, &piece{limit: (len(r.calls) + 1) / 2, due: now, delay: r.delay})
		return nil, told{}
	}
	return []Result{b.resultLocked(r.calls[0], &Answer{Err: e}, "")}, told{}
}

// resultLocked makes the result of a call. Until Done has taken it the call is still known: who submits it
// again meanwhile gets this result and pays for no other (I7).
func (b *Batcher) resultLocked(c *call, a *Answer, model string) Result {
	b.finishing++
	result := Result{Fingerprint: c.Fingerprint, Vector: a.Vector, Text: a.Text, Model: model, Attempts: c.attempts}
	if a.Err != nil {
		result = Result{Fingerprint: c.Fingerprint, Err: a.Err, Model: model, Attempts: c.attempts}
		b.stats.Rejected++
	} else {
		b.stats.Calls++
	}
	return result
}

// forgetLocked ends the calls whose results Done has taken.
func (b *Batcher) forgetLocked(results []Result) {
	for i := range results {
		if c := b.calls[results[i].Fingerprint]; c != nil {
			b.dropLocked(c)
		}
	}
	b.finishing -= len(results)
}

// failedLocked files the calls of a request that an outage ended.
func (b *Batcher) failedLocked(r *request, e *Error, settled backpressure.Settled, now time.Time) {
	if r.canary {
		return
	}
	if r.permit.Probe() {
		b.parkLocked(r.calls[0])
		return
	}
	p := &piece{limit: len(r.calls), due: now, delay: r.delay, retry: true}
	if e.Retryable() && e.RetryAfter == 0 {
		p.delay = backpressure.Backoff(r.delay)
		p.due = now.Add(p.delay)
		if settled.Lone {
			// The model had just answered others: one of these texts may be what breaks it.
			p.limit = (p.limit + 1) / 2
		}
	}
	b.againLocked(r, p)
}

// againLocked lets the calls of a request wait in p, except those that were withdrawn meanwhile.
func (b *Batcher) againLocked(r *request, p *piece) {
	if r.canary {
		return
	}
	for _, c := range r.calls {
		if c.withdrawn {
			b.dropLocked(c)
			continue
		}
		c.piece, c.place = p, inPiece
		c.hold(backpressure.Retrying)
		p.calls = append(p.calls, c)
	}
	if len(p.calls) > 0 {
		b.pieces = append(b.pieces, p)
	}
}

// parkLocked lets the call of a failed probe wait behind those that have not been tried. A probe that
// ends after the outage, answered by another one, waits in its line again.
func (b *Batcher) parkLocked(c *call) {
	if c.withdrawn {
		b.dropLocked(c)
		return
	}
	c.hold(backpressure.Retrying)
	if !b.governor.Probing() {
		b.homeLocked(c).pushFront(c)
		return
	}
	c.place = parked
	b.tried = append(b.tried, c)
}

func (b *Batcher) report(t told, err error, secured bool) {
	// The logger has the model's name in the flow; this is what its server knows it by.
	model := slog.String("served_as", b.identity.Provider+"/"+b.identity.Model)
	switch {
	case !secured:
		b.options.Logger.Error("the budget cannot be kept: no call is made", model, slog.Any("error", err))
	case t.closed:
		b.options.Logger.Warn("model answers again", model, slog.Duration("after", t.after.Round(time.Millisecond))) // as loud as that it did not
	case t.opened:
		told := []any{model, slog.Any("error", t.failure)}
		if !t.until.IsZero() {
			told = append(told, slog.Time("next_probe", t.until))
		}
		if hint := t.failure.Hint(); hint != "" {
			told = append(told, slog.String("hint", hint))
		}
		b.options.Logger.Warn("model unavailable", told...)
	}
}
