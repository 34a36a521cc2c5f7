package accel

import (
	"slices"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// brokenMost is how often a worker may break with a call that it was given alone, until the call is given up.
const brokenMost = 3

// givenLocked files what a model had answered before it broke off. What is left of the request is to be sent
// again; the places that the error names move along.
func (b *Batcher) givenLocked(r *request, answers *Answers, e *Error) ([]Result, *Error) {
	moved := *e
	moved.Rows = nil
	kept := Answers{Model: answers.Model}
	var done, left []*call
	for i, c := range r.calls {
		if answers.Each[i].given() {
			done = append(done, c)
			kept.Each = append(kept.Each, answers.Each[i])
			continue
		}
		if slices.Contains(e.Rows, i) {
			moved.Rows = append(moved.Rows, len(left))
		}
		left = append(left, c)
	}
	r.calls = left
	return b.fileLocked(done, &kept), &moved
}

// brokenLocked files what a worker had not answered when it broke. The call that it was at goes alone from
// now on; where that is not known the calls are halved until it is. The others go together: they are not to
// blame.
func (b *Batcher) brokenLocked(r *request, e *Error, outcome backpressure.Outcome, alone bool) ([]Result, told) {
	blame(&outcome, e)
	settled := b.governor.Settle(r.permit, outcome)
	now := time.Now()
	if alone {
		c := r.calls[0]
		c.alone = true
		if c.broke++; c.broke >= brokenMost {
			b.rejected.add(c.Fingerprint)
			return []Result{b.resultLocked(c, &Answer{Err: e}, "")}, b.outage(settled, e)
		}
		if r.permit.Probe() {
			b.parkLocked(c)
		} else {
			delay := backpressure.Backoff(r.delay)
			b.againLocked(r, &piece{limit: 1, due: now.Add(delay), delay: delay})
		}
		return nil, b.outage(settled, e)
	}
	bad, good := named(r.calls, e.Rows)
	for _, c := range bad {
		c.alone = true
		b.againLocked(&request{calls: []*call{c}}, &piece{limit: 1, due: now})
	}
	limit := len(good)
	if len(bad) == 0 {
		limit = (limit + 1) / 2
	}
	b.againLocked(&request{calls: good}, &piece{limit: limit, due: now})
	return nil, b.outage(settled, e)
}
