package backpressure

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// The sum of a day stays within its budget whatever requests cost, and whenever the process dies: what is in
// flight then may have been charged.
func TestADayNeverCostsMoreThanItsBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		var fault string
		synctest.Test(t, func(*testing.T) { fault = spend(rand.New(rand.NewPCG(seed, 1))) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// spend runs a day of calls with crashes and says what was wrong.
func spend(rng *rand.Rand) string {
	daily := MoneyOf(1)
	price := PriceOf(1000, 4000)
	var kept Spending // on disk
	var charged Money // by the provider, whoever has heard of it
	open := func() *Governor {
		g := New(Options{Concurrency: 4, Price: price, Daily: &daily})
		g.Restore(kept, func(s Spending) error {
			if rng.IntN(20) == 0 {
				return errors.New("disk")
			}
			kept = s
			return nil
		})
		return g
	}
	g := open()
	var flight []*Permit
	stuck := 0
	for range 400 {
		bound := Cost{Rows: 1, Input: 1 + rng.Int64N(20), Output: rng.Int64N(10)}
		switch p, wait := g.Admit(Ask{First: bound, Want: bound}, func(*Room) Cost { return bound }); {
		case p != nil:
			if err := g.Secure(); err != nil {
				g.Settle(p, Outcome{Verdict: Withdrawn})
				break
			}
			flight = append(flight, p)
		case wait > 0 && len(flight) == 0:
			stuck++
		}
		if len(flight) > 0 && rng.IntN(2) == 0 {
			i := rng.IntN(len(flight))
			p := flight[i]
			flight = append(flight[:i], flight[i+1:]...)
			used := Cost{Rows: 1, Input: rng.Int64N(p.cost.Input + 1), Output: rng.Int64N(p.cost.Output + 1)}
			charged += price.Of(used)
			g.Settle(p, Outcome{Verdict: Answered, Charged: true, Used: used})
		}
		if rng.IntN(10) == 0 {
			_ = g.Persist() // a disk that fails now is asked again later
		}
		if rng.IntN(40) == 0 { // killed: the provider charges what was in flight in full, and nobody hears of it
			for _, p := range flight {
				charged += price.Of(p.cost)
			}
			flight = nil
			g = open()
		}
		if charged > daily {
			return "the day has cost more than its budget"
		}
	}
	if h := g.Health(false); stuck > 0 && h.Reason == ReasonBudget && h.Until.Sub(time.Now()) > 24*time.Hour {
		return "it waits for longer than a day"
	}
	return ""
}

func TestABudgetThatIsSpentWaitsForTheNextDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daily := MoneyOf(0.001)
		g := New(Options{Concurrency: 4, Price: PriceOf(1, 0), Daily: &daily})
		c := Cost{Rows: 1, Input: 400}
		ask := func() (*Permit, time.Duration) { return g.Admit(Ask{First: c, Want: c}, func(*Room) Cost { return c }) }
		for range 2 {
			p, _ := ask()
			g.Settle(p, Outcome{Verdict: Answered, Charged: true, Used: c})
		}
		p, wait := ask()
		h := g.Health(false)
		if p != nil || wait <= 0 || wait > 24*time.Hour || h.Reason != ReasonBudget || !h.Hard || h.State != Closed {
			t.Fatalf("wait %v, health %+v", wait, h)
		}
		if h.Daily == nil || *h.Daily != daily || h.Spent.Today != MoneyOf(0.0008) {
			t.Errorf("health tells of %v of %v, want 0.0008 of 0.001", h.Spent.Today, h.Daily)
		}
		if h.Until.Hour() != 0 || h.Until.Minute() != 0 || h.Until.Location() != time.UTC {
			t.Errorf("until %v, want midnight UTC", h.Until)
		}
		time.Sleep(wait)
		if h := g.Health(false); !h.Available || h.Spent.Today != 0 { // nobody has asked for anything yet
			t.Errorf("the next day health is %+v", h)
		}
		if p, _ := ask(); p == nil {
			t.Error("the next day has no budget")
		}
	})
}

func TestWhatIsUsedCountsAcrossProcesses(t *testing.T) {
	var kept Spending
	keep := func(s Spending) error { kept = s; return nil }
	for i := range int64(3) {
		g := New(Options{Price: PriceOf(2, 8)})
		g.Settle(one(t, g), Outcome{Verdict: Answered, Charged: true, Used: Cost{Input: 1}}) // asked before the state was open
		g.Restore(kept, keep)
		g.Settle(one(t, g), Outcome{Verdict: Answered, Charged: true, Used: Cost{Input: 100, Output: 10}})
		if err := g.Persist(); err != nil {
			t.Fatal(err)
		}
		want := (i + 1) * (101*2_000_000 + 10*8_000_000)
		if kept.Input != 101*(i+1) || kept.Output != 10*(i+1) || kept.Total != Money(want) {
			t.Errorf("process %d keeps %+v, want %d", i, kept, want)
		}
	}
}

func TestARetryAfterOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept Spending
		g := New(Options{})
		g.Restore(kept, func(s Spending) error { kept = s; return nil })
		g.Settle(one(t, g), Outcome{Verdict: Failed, RetryAfter: time.Minute})
		if err := g.Persist(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		g = New(Options{})
		g.Restore(kept, nil)
		if p, wait := try(g); p != nil || wait < 50*time.Second || wait > time.Minute {
			t.Errorf("after a restart: wait %v", wait)
		}
	})
}

func TestMoneyIsExact(t *testing.T) {
	p := PriceOf(0.02, 0.6)
	var sum Money
	for range 1_000_000 {
		sum += p.Of(Cost{Input: 1, Output: 1})
	}
	if sum.USD() != 0.62 || MoneyOf(3) != 3e12 {
		t.Errorf("a million tokens each way cost %v USD", sum.USD())
	}
}
