package backpressure

import (
	"fmt"
	"time"
)

// Verdict is what became of a request, as far as it says something about the endpoint.
type Verdict uint8

const (
	// Answered: there was a reply, be it that the endpoint will not take these inputs. It works.
	Answered Verdict = iota
	// Failed: there was none, or one that no correct endpoint gives. An outage.
	Failed
	// Exhausted: the work was too much for the endpoint's memory. It works, with less.
	Exhausted
	// Refused: only a person can end it, as Outcome.Reason says.
	Refused
	// Withdrawn: we gave the request up ourselves. It says nothing.
	Withdrawn
)

// Outcome is what is told of a request.
type Outcome struct {
	Verdict Verdict
	Reason  Reason // of Refused

	// RetryAfter is how long the endpoint wants to be left alone; zero when it does not say. It is no
	// outage then: the endpoint is well and says when to come back.
	RetryAfter time.Duration

	// Charged is true when Used is what the request cost. Otherwise what was reserved stays reserved, unless
	// the endpoint refused the request before it did anything.
	Charged bool
	Used    Cost

	Announced []Announcement
	Said      string // by the endpoint, in one line, without secrets
}

// Settled is what an outcome changed.
type Settled struct {
	Opened bool      // an outage began
	Closed bool      // it ended
	Lone   bool      // the failure stands alone: the endpoint had answered just before
	Until  time.Time // of the next probe, when Opened
}

// Settle tells what became of a request.
func (g *Governor) Settle(p *Permit, o Outcome) Settled {
	now := time.Now()
	g.mu.Lock()
	if p.settled {
		g.mu.Unlock()
		panic("backpressure: a permit is settled twice")
	}
	p.settled = true
	g.inFlight--
	if p.retry {
		g.retries.inFlight--
	}
	g.chargeLocked(p, o, now)
	settled := g.judgeLocked(p, o, now)
	g.dirty = true
	g.noteLocked(now, false)
	g.mu.Unlock()
	g.tell()
	return settled
}

// chargeLocked replaces what was reserved by what was used. Money is owed for replies only; of the rates, a
// request that ended without a word keeps what it had reserved, since the server may have counted it.
func (g *Governor) chargeLocked(p *Permit, o Outcome, now time.Time) {
	used := Cost{}
	if o.Charged {
		used = o.Used
	}
	g.purse.settle(now, p.held, used)
	counted := used
	if !o.Charged && o.RetryAfter == 0 && (o.Verdict == Failed || o.Verdict == Withdrawn) {
		counted = p.reserved
	}
	if o.Charged && p.cost.Output > 0 && p.cost.Rows > 0 {
		g.expected.learn(used.Output / p.cost.Rows)
	}
	g.rates.settle(p.reserved, counted)
	g.rates.sync(now, o.Announced)
}

// judgeLocked lets breaker, limiter and gate learn.
func (g *Governor) judgeLocked(p *Permit, o Outcome, now time.Time) Settled {
	b := g.breaker
	b.limit = g.limiter.allowed()
	if o.RetryAfter > 0 {
		g.gate.close(now, o.RetryAfter)
	}
	if o.Said != "" && o.Verdict != Answered && g.stopped == "" && (b.hard == "" || o.Verdict == Refused) {
		g.said = o.Said
	}
	switch {
	case o.Verdict == Answered:
		return g.answeredLocked(p, now)
	case o.Verdict == Refused:
		opened := b.slam(p.probe, now, o.Reason)
		g.good = false
		return Settled{Opened: opened, Until: b.openUntil}
	case o.Verdict == Withdrawn || o.Verdict == Exhausted:
		b.tell(p.probe, now, errExcluded)
		return Settled{}
	case o.RetryAfter > 0:
		// The endpoint is well. When the gate opens, one request goes first.
		b.tell(p.probe, now, errExcluded)
		lone := g.good
		g.good = false
		if p.round == g.round {
			g.round++
			g.limiter.restart(now)
		}
		return Settled{Lone: lone}
	}
	return g.failedLocked(p, now)
}

func (g *Governor) answeredLocked(p *Permit, now time.Time) Settled {
	b := g.breaker
	b.success(p.probe, now)
	g.good = true
	_, closed := b.tell(p.probe, now, nil)
	if closed {
		// As many as the probes were, and one: from there it doubles.
		g.limiter.limit = min(float64(g.limiter.most), probes+1)
	} else if p.round == g.round {
		g.limiter.grew(p.sent)
	}
	return Settled{Closed: closed}
}

func (g *Governor) failedLocked(p *Permit, now time.Time) Settled {
	b := g.breaker
	lone := g.good && !p.isProbe
	g.good = false
	b.streak++
	opened, _ := b.tell(p.probe, now, errOutage)
	g.limiter.lost(now, p.sent)
	if opened {
		g.limiter.restart(now)
		g.round++
	}
	return Settled{Opened: opened, Lone: lone, Until: b.openUntil}
}

// Secure makes durable what a request may cost before it is sent. It returns at once where there is no
// budget to hold, or enough of it was secured ahead.
func (g *Governor) Secure() error {
	g.mu.Lock()
	needed := g.keep != nil && g.purse.unkept()
	g.mu.Unlock()
	if !needed {
		return nil
	}
	return g.write(true)
}

// Persist makes durable what was spent since it was last called.
func (g *Governor) Persist() error {
	g.mu.Lock()
	needed := g.keep != nil && g.dirty
	g.mu.Unlock()
	if !needed {
		return nil
	}
	return g.write(false)
}

// write hands the spending to whoever keeps it.
func (g *Governor) write(ahead bool) error {
	g.keeping.Lock()
	defer g.keeping.Unlock()
	g.mu.Lock()
	if ahead && !g.purse.unkept() {
		g.mu.Unlock()
		return nil // somebody else's write has secured this one as well
	}
	extra := Money(0)
	if ahead {
		extra = g.purse.ahead()
	}
	s := g.purse.record(extra)
	if g.gate.wait(time.Now()) > 0 {
		s.NotBefore = g.gate.until
	}
	g.dirty = false
	// Who is admitted from here on and needs more than this must write again.
	g.purse.kept = min(g.purse.kept, s.Today)
	g.mu.Unlock()
	if err := g.keep(s); err != nil {
		g.mu.Lock()
		g.dirty = true
		g.mu.Unlock()
		return fmt.Errorf("keep what was spent: %w", err)
	}
	g.mu.Lock()
	if s.Day == g.purse.spent.Day {
		g.purse.kept = s.Today
	}
	g.mu.Unlock()
	return nil
}

// words say what the day's budget has come to.
func (b *purse) words() string {
	return fmt.Sprintf("the budget of %.2f USD a day does not hold another call: %.4f USD are spent", b.daily.USD(), b.spent.Today.USD())
}
