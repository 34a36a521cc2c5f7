package accel

import (
	"time"
)

// Canary is a fixed text whose answer shows whether it is still the same model that answers under its name.
type Canary struct {
	// Text is what is asked.
	Text string

	// Every is the least time between two questions; the first comes before any call. Zero asks never.
	Every time.Duration

	// Check judges the answer; an error of kind Changed ends all asking.
	Check func(Answer) *Error
}

// canary is where the question stands.
type canary struct {
	due    bool // it has to be answered before any call is sent
	asking bool
	next   time.Time
}

// canaryLocked is the request that asks for the fixed text, if it is time.
func (b *Batcher) canaryLocked(now time.Time) *request {
	if b.options.Canary.Every <= 0 || b.canary.asking || !b.canary.due && now.Before(b.canary.next) || b.waitingLocked() == 0 {
		return nil
	}
	c := &call{Call: Call{Text: b.options.Canary.Text, Live: true}}
	c.cost = b.answerer.Cost(c.asked())
	return &request{calls: []*call{c}, canary: true}
}

// settleCanaryLocked takes the answer to the fixed text, or the error of its request.
func (b *Batcher) settleCanaryLocked(now time.Time, answers Answers, e *Error) *Error {
	b.canary.asking = false
	if e != nil {
		return e
	}
	if changed := b.options.Canary.Check(answers.Each[0]); changed != nil {
		return changed
	}
	b.canary.due, b.canary.next = false, now.Add(b.options.Canary.Every)
	return nil
}
