package backpressure

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// one admits a request of one row, or fails.
func one(t *testing.T, g *Governor) *Permit {
	t.Helper()
	p, wait := try(g)
	if p == nil {
		t.Fatalf("not admitted: wait %v, health %+v", wait, g.Health(false))
	}
	return p
}

func try(g *Governor) (*Permit, time.Duration) {
	c := Cost{Rows: 1, Input: 1}
	return g.Admit(Ask{First: c, Want: c}, func(*Room) Cost { return c })
}

func answered() Outcome {
	return Outcome{Verdict: Answered, Charged: true, Used: Cost{Rows: 1, Input: 1}}
}
func failed() Outcome { return Outcome{Verdict: Failed, Said: "503"} }

// grow lets the governor reach its concurrency.
func grow(t *testing.T, g *Governor, n int) {
	t.Helper()
	for range n {
		g.Settle(one(t, g), answered())
	}
}

func TestAnOutageOpensTheBreakerAfterAtMostWhatIsInFlightAndSix(t *testing.T) {
	for _, concurrency := range []int{1, 4, 14, 64} {
		synctest.Test(t, func(t *testing.T) {
			g := New(Options{Concurrency: concurrency})
			grow(t, g, 2*concurrency)
			sent := 0
			for g.Health(false).State == Closed {
				var flight []*Permit
				for {
					p, _ := try(g)
					if p == nil {
						break
					}
					flight = append(flight, p)
				}
				sent += len(flight)
				time.Sleep(10 * time.Millisecond)
				for _, p := range flight {
					g.Settle(p, failed())
				}
				if sent > 200 {
					t.Fatal("the breaker does not open")
				}
			}
			if sent > max(20, concurrency+6) {
				t.Errorf("%d of %d in flight: open after %d requests", concurrency, concurrency, sent)
			}
		})
	}
}

func TestOneOutageOfAnEndpointThatNeverAnsweredIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		e := g.Settle(one(t, g), failed())
		if h := g.Health(false); !e.Opened || h.State != Open || h.Reason != ReasonErrors || h.Message != "503" || h.Hard {
			t.Errorf("%+v, %+v", e, h)
		}
	})
}

func TestABlipOfAllRequestsInFlightButFewIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Concurrency: 64})
		grow(t, g, 128)
		var flight []*Permit
		for range 64 {
			flight = append(flight, one(t, g))
		}
		for i, p := range flight {
			if i%12 < 5 { // five in a row, again and again
				g.Settle(p, failed())
			} else {
				g.Settle(p, answered())
			}
		}
		if h := g.Health(false); h.State != Closed {
			t.Errorf("health %+v", h)
		}
	})
}

// The breaker below becomes half-open only when somebody looks. Here nobody does while it is open, and the
// time that Admit named is when it admits a probe.
func TestAnOpenBreakerNeedsNoNewWorkToRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Concurrency: 8})
		g.Settle(one(t, g), failed())
		for range probes {
			p, wait := try(g)
			if p != nil && g.Health(false).State == Open {
				t.Fatal("admitted while it is open")
			}
			if p == nil {
				if wait <= 0 || wait > 15*time.Second {
					t.Fatalf("wait %v", wait)
				}
				time.Sleep(wait)
				p = one(t, g)
			}
			if !p.Probe() {
				t.Error("a request of a half-open breaker is no probe")
			}
			g.Settle(p, answered())
		}
		h := g.Health(false)
		if h.State != Closed || !h.Available || h.Limit != probes+1 {
			t.Errorf("after %d probes health is %+v", probes, h)
		}
	})
}

// One row may be all the work there is: then one answer ends the outage for whoever looks.
func TestABreakerWhoseLastWorkWasAnsweredShowsItselfClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Concurrency: 8})
		g.Settle(one(t, g), failed())
		_, wait := try(g)
		time.Sleep(wait)
		g.Settle(one(t, g), answered())
		if h := g.Health(true); h.State != HalfOpen || !h.Available {
			t.Errorf("at once health is %+v", h)
		}
		time.Sleep(quiet)
		if h := g.Health(true); h.State != Closed || !h.Available {
			t.Errorf("after a quiet second health is %+v", h)
		}
		if h := g.Health(false); h.State != HalfOpen {
			t.Errorf("with work health is %+v", h)
		}
		p := one(t, g)
		if !p.Probe() {
			t.Error("the next request is no probe")
		}
		g.Settle(p, failed())
		if h := g.Health(true); h.State != Open {
			t.Errorf("after another outage health is %+v", h)
		}
	})
}

func TestProbesComeAtTimesThatGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		begun, last := time.Now(), time.Now()
		g.Settle(one(t, g), failed())
		n := 0
		for time.Since(begun) < 10*time.Minute {
			p, wait := try(g)
			if p == nil {
				time.Sleep(wait)
				continue
			}
			gap := time.Since(last)
			if n == 0 && gap > time.Second || gap > 15*time.Second || gap < 100*time.Millisecond {
				t.Fatalf("probe %d comes after %v", n, gap)
			}
			last = time.Now()
			n++
			g.Settle(p, failed())
		}
		if n < 40 || n > 70 {
			t.Errorf("%d probes in ten minutes", n)
		}
	})
}

// A probe whose end is never told would leave the breaker below half-open for ever.
func TestALostProbeHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Deadline: 10 * time.Second})
		g.Settle(one(t, g), failed())
		_, wait := try(g)
		time.Sleep(wait)
		lost := one(t, g)
		p, wait := try(g)
		if p != nil || wait > 15*time.Second || wait <= 0 {
			t.Fatalf("beside a probe: %v, wait %v", p, wait)
		}
		time.Sleep(wait)
		_, wait = try(g) // its deadline counts as an outage: the breaker is open again
		if h := g.Health(false); h.State != Open || wait <= 0 {
			t.Fatalf("after the deadline: %+v, wait %v", h, wait)
		}
		time.Sleep(wait)
		for range probes {
			g.Settle(one(t, g), answered())
		}
		g.Settle(lost, failed()) // it comes back after all
		if h := g.Health(false); h.State != Closed || h.InFlight != 0 {
			t.Errorf("in the end health is %+v", h)
		}
	})
}

func TestARefusalThatAPersonHasToEndIsProbedOnceAMinute(t *testing.T) {
	for _, reason := range []Reason{ReasonAuth, ReasonQuota, ReasonUnknownModel} {
		synctest.Test(t, func(t *testing.T) {
			g := New(Options{Concurrency: 8})
			grow(t, g, 16)
			late := one(t, g) // under way when the key is refused
			e := g.Settle(one(t, g), Outcome{Verdict: Refused, Reason: reason, RetryAfter: time.Second, Said: "no"})
			g.Settle(late, answered())
			h := g.Health(false)
			if !e.Opened || h.State != Open || h.Reason != reason || !h.Hard || h.Message != "no" {
				t.Errorf("%+v, %+v", e, h)
			}
			_, wait := try(g)
			if wait > time.Minute || wait < time.Second {
				t.Errorf("wait %v", wait)
			}
			time.Sleep(2 * time.Second)
			g.Resume() // a person has dealt with it
			p := one(t, g)
			if again, _ := try(g); again != nil {
				t.Error("two probes at once")
			}
			g.Settle(p, answered())
			for range probes - 1 {
				g.Settle(one(t, g), answered())
			}
			if h := g.Health(false); !h.Available || h.State != Closed || h.Hard {
				t.Errorf("after it was mended: %+v", h)
			}
		})
	}
}

func TestNothingIsAdmittedBeforeARetryAfterIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Concurrency: 8})
		grow(t, g, 16)
		flight := []*Permit{one(t, g), one(t, g), one(t, g)}
		told := time.Now()
		for _, p := range flight {
			g.Settle(p, Outcome{Verdict: Failed, RetryAfter: 30 * time.Second, Said: "429"})
		}
		h := g.Health(false)
		if h.State != Closed || h.Reason != ReasonRetryAfter || h.Hard || h.Until.Before(told.Add(30*time.Second)) {
			t.Errorf("health %+v", h)
		}
		g.Resume() // a person cannot overrule the server
		for {
			p, wait := try(g)
			if p != nil {
				break
			}
			time.Sleep(wait)
		}
		if waited := time.Since(told); waited < 30*time.Second || waited > 33*time.Second {
			t.Errorf("admitted after %v", waited)
		}
		if p, wait := try(g); p != nil || wait >= 0 {
			t.Error("more than one request goes first")
		}
	})
}

func TestAWaitingQuestionGoesBeforeTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Concurrency: 1})
		running := one(t, g)
		asked := make(chan *Permit, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			p, err := g.Wait(t.Context(), Cost{Rows: 1, Input: 1}, time.Second)
			if err != nil {
				t.Error(err)
			}
			asked <- p
		})
		synctest.Wait()
		g.Settle(running, answered())
		if p, _ := try(g); p != nil {
			t.Error("the slot went to who came later")
		}
		synctest.Wait()
		g.Settle(<-asked, answered())
		wg.Wait()
		g.Settle(one(t, g), answered())
	})
}

func TestWhoHasNoTimeIsToldWhyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		g.Settle(one(t, g), Outcome{Verdict: Refused, Reason: ReasonAuth, Said: "401"})
		begun := time.Now()
		_, err := g.Wait(t.Context(), Cost{Rows: 1}, 5*time.Second)
		var unwilling *UnwillingError
		if !errors.As(err, &unwilling) || unwilling.Health.Reason != ReasonAuth || time.Since(begun) > 0 {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Wait(ctx, Cost{Rows: 1}, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("when its context ends: %v", err)
		}
	})
}

func TestAModelThatIsAnotherIsAskedNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		g.Stop(ReasonChanged, "another one")
		if p, wait := try(g); p != nil || wait >= 0 {
			t.Error("admitted")
		}
		g.Resume()
		if h := g.Health(true); h.Available || !h.Hard || h.Reason != ReasonChanged || h.Message != "another one" {
			t.Errorf("health %+v", h)
		}
	})
}

func TestAPermitIsSettledOnce(t *testing.T) {
	g := New(Options{})
	p := one(t, g)
	g.Settle(p, answered())
	defer func() {
		if recover() == nil {
			t.Error("it was settled twice")
		}
	}()
	g.Settle(p, answered())
}

// One server has one limit, whatever names it goes by; an account is that of a name.
func TestSiblingsShareTheEndpointAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits Limits
		limits[Requests] = 60
		budget := MoneyOf(1)
		g := New(Options{Concurrency: 4, Limits: limits, Price: PriceOf(1, 1), Daily: &budget})
		s := g.Sibling(PriceOf(1, 1), nil)
		grow(t, g, 1)
		if spent := s.Health(false).Spent; spent.Input != 0 || g.Health(false).Spent.Input != 1 {
			t.Errorf("what one has spent is on the other's account: %+v", spent)
		}
		sent := 1
		for p, _ := try(s); p != nil; p, _ = try(s) {
			s.Settle(p, answered())
			sent++
		}
		if p, _ := try(g); p != nil || sent > 60 {
			t.Errorf("after %d requests of the one in this minute the other was admitted", sent)
		}
		time.Sleep(time.Hour)
		g.Stop(ReasonChanged, "another model")
		if p, _ := try(s); p != nil {
			t.Error("a stop of the endpoint binds one name only")
		}
	})
}
