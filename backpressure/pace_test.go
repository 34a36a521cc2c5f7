package backpressure

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The Kolmogorov-Smirnov distance of first waits from evenly spread ones: clients that fail together do not
// come back together.
func TestBackoffIsSpread(t *testing.T) {
	const n = 4000
	waits := make([]float64, n)
	for i := range waits {
		waits[i] = float64(Backoff(0)-backoffFirst/5) / float64(backoffFirst-backoffFirst/5)
	}
	slices.Sort(waits)
	distance := 0.0
	for i, w := range waits {
		distance = max(distance, math.Abs(w-float64(i)/n))
	}
	if critical := 1.95 / math.Sqrt(n); distance > critical { // one in a thousand of even ones is farther
		t.Errorf("the distance from an even spread is %.4f, want at most %.4f", distance, critical)
	}
}

func TestBackoffGrowsToItsCapAndStaysSpread(t *testing.T) {
	low, high := time.Hour, time.Duration(0)
	for range 200 {
		wait := time.Duration(0)
		for i := range 30 {
			next := Backoff(wait)
			if i == 0 && (next < 100*time.Millisecond || next > 500*time.Millisecond) || next > 15*time.Second || i > 0 && next < wait && wait < 10*time.Second {
				t.Fatalf("attempt %d waits for %v after %v", i, next, wait)
			}
			wait = next
		}
		low, high = min(low, wait), max(high, wait)
	}
	if low < 10*time.Second || high-low < 3*time.Second {
		t.Errorf("the last waits are %v to %v, want 10s to 15s", low, high)
	}
}

func TestRetriesAreAFifthOfWhatIsInFlight(t *testing.T) {
	for _, test := range []struct{ retries, all, want int }{{0, 1, 1}, {2, 3, 1}, {3, 4, 0}, {3, 15, 0}, {3, 20, 1}, {199, 1000, 1}, {200, 1000, 0}} {
		r := retries{inFlight: test.retries}
		if r.open(test.all) != (test.want == 1) {
			t.Errorf("%d retries of %d in flight: open %t", test.retries, test.all, r.open(test.all))
		}
	}
}

func TestTheLimiterDoublesUntilALossAndThenGrowsByOne(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := newLimiter(64)
	var got []int
	round := func(lost bool) {
		n := l.allowed()
		sentAt := now
		now = now.Add(time.Second)
		for i := range n {
			if lost && i < 3 {
				l.lost(now, sentAt)
			} else {
				l.grew(sentAt)
			}
		}
		got = append(got, l.allowed())
	}
	for range 4 {
		round(false)
	}
	round(true) // three losses of one round trip are one
	for range 3 {
		round(false)
	}
	if want := []int{2, 4, 8, 16, 12, 13, 14, 15}; !slices.Equal(got, want) {
		t.Errorf("allowed %v, want %v", got, want)
	}
}

func TestTheGateOpensALittleLaterForEveryCaller(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	seen := map[time.Duration]bool{}
	for range 100 {
		var g gate
		g.close(now, 30*time.Second)
		wait := g.wait(now)
		if wait < 30*time.Second || wait > 33*time.Second {
			t.Fatalf("30 s became %v", wait)
		}
		seen[wait] = true
		g.close(now, time.Second)
		if g.wait(now) != wait {
			t.Fatal("a shorter wait opened the gate")
		}
		g.close(now, 10*time.Hour)
		if wait := g.wait(now); wait < 10*time.Hour || wait > 10*time.Hour+3*time.Second {
			t.Fatalf("10 h became %v", wait)
		}
	}
	if len(seen) < 90 {
		t.Errorf("100 callers come back at %d times", len(seen))
	}
}
