package backpressure

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sent is a request of a schedule.
type sent struct {
	at     time.Time
	tokens int64
}

// worst is the most that a window of a length holds.
func worst(all []sent, window time.Duration) (tokens, requests int64) {
	from, sum := 0, int64(0)
	for i := range all {
		sum += all[i].tokens
		for all[i].at.Sub(all[from].at) >= window {
			sum -= all[from].tokens
			from++
		}
		tokens, requests = max(tokens, sum), max(requests, int64(i-from+1))
	}
	return tokens, requests
}

// Two limits at once over random costs, each estimate up to ten times too high: no minute holds more than
// the limits, and nine tenths of the tighter one are used. Nothing deadlocks.
func TestNoMinuteHoldsMoreThanTheLimitsAndTheyAreUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{Requests: rapid.Int64Range(60, 6000).Draw(t, "rpm"), Tokens: rapid.Int64Range(6000, 600_000).Draw(t, "tpm")}
		r := newRates(limits)
		begun := time.Unix(1_700_000_000, 0)
		now, burst := begun, limits[Tokens]/20
		var all []sent
		var used int64
		for now.Sub(begun) < 4*time.Minute {
			actual := Cost{Rows: 1, Input: rapid.Int64Range(1, max(1, burst/10)).Draw(t, "actual")}
			guess := Cost{Rows: 1, Input: actual.Input, Output: actual.Input * rapid.Int64Range(0, 9).Draw(t, "over")}
			wait := r.wait(now, guess, guess)
			if wait > 0 {
				now = now.Add(wait)
				if again := r.wait(now, guess, guess); again > time.Millisecond {
					t.Fatalf("after the wait of %v there is another one of %v", wait, again)
				}
				now = now.Add(time.Millisecond)
			}
			r.reserve(now, guess)
			all, used = append(all, sent{now, actual.Input}), used+actual.Input
			now = now.Add(time.Millisecond) // the answer
			r.settle(guess, actual)
			if len(all) > 20_000 {
				break
			}
		}
		tokens, requests := worst(all, time.Minute)
		if tokens > limits[Tokens] || requests > limits[Requests] {
			t.Fatalf("a minute holds %d tokens of %d, %d requests of %d", tokens, limits[Tokens], requests, limits[Requests])
		}
		minutes := now.Sub(begun).Minutes()
		share := max(float64(used)/(float64(limits[Tokens])*minutes), float64(len(all))/(float64(limits[Requests])*minutes))
		if minutes > 1 && share < 0.85 {
			t.Fatalf("%.2f of the tighter limit is used", share)
		}
	})
}

func TestARequestLargerThanTheBurstIsAdmittedFromAFullMeterIntoDebt(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRates(Limits{Tokens: 6000}) // a burst of 300, 95 a second
	large, small := Cost{Rows: 1, Input: 950}, Cost{Rows: 1, Input: 10}
	if wait := r.wait(now, large, large); wait != 0 {
		t.Fatalf("a full meter lets it wait for %v", wait)
	}
	r.reserve(now, large)
	if wait := r.wait(now, small, small); wait < 6*time.Second || wait > 8*time.Second {
		t.Errorf("the next small one waits for %v, want until the debt is paid", wait)
	}
	// The large one that follows does not starve: it waits for a full meter at most.
	if wait := r.wait(now, large, large); wait < 9*time.Second || wait > 11*time.Second {
		t.Errorf("the next large one waits for %v, want 10s", wait)
	}
}

func TestARequestIsWorthAQuarterOfTheBurstWhileMoreWaits(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRates(Limits{Tokens: 6000})
	all := Cost{Rows: 30, Input: 300}
	r.reserve(now, all)
	one := Cost{Rows: 1, Input: 1}
	alone, among := r.wait(now, one, one), r.wait(now, one, all)
	if alone > 20*time.Millisecond || among < 700*time.Millisecond || among > 900*time.Millisecond {
		t.Errorf("one token alone waits for %v, among many for %v; want 10ms and 0.8s", alone, among)
	}
}

func TestAnnouncedLimitsAreKept(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	call := Cost{Rows: 1, Input: 1}
	count := func(r *rates, during time.Duration) int {
		n := 0
		for end := now.Add(during); ; n++ {
			if wait := r.wait(now, call, call); wait > 0 {
				if now = now.Add(wait); now.After(end) {
					return n
				}
			}
			r.reserve(now, call)
			r.settle(call, call)
		}
	}
	for name, test := range map[string]struct {
		said     Announcement
		during   time.Duration
		low, top int
	}{
		"what remains, and what comes back evenly":     {Announcement{Requests, 600, 20, 58 * time.Second}, 10 * time.Second, 112, 118},
		"nothing remains":                              {Announcement{Requests, 600, 0, time.Minute}, 10 * time.Second, 92, 97},
		"a limit by the day":                           {Announcement{Requests, 14_400, 10, 24 * time.Hour}, time.Minute, 15, 21},
		"a window that is whole again soon":            {Announcement{Requests, 600, 3, 2 * time.Second}, 2500 * time.Millisecond, 600, 640},
		"no word of when it is whole: over a minute":   {Announcement{Requests, 600, 5, 0}, 10 * time.Second, 97, 103},
		"more remains than we think: loosened by time": {Announcement{Requests, 600, 600, 0}, time.Second, 600, 615},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRates(Limits{})
			r.sync(now, []Announcement{test.said})
			if got := count(&r, test.during); got < test.low || got > test.top {
				t.Errorf("%d requests in %v, want %d to %d", got, test.during, test.low, test.top)
			}
		})
	}
}

// Another client of the same account takes half of it: the server's word tightens ours at once.
func TestAnotherClientOfTheSameLimitIsNoticed(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRates(Limits{})
	call := Cost{Rows: 1, Input: 1}
	server := newMeter(10, 600)
	refused, sent := 0, 0
	for end := now.Add(5 * time.Minute); now.Before(end); {
		if wait := r.wait(now, call, call); wait > 0 {
			now = now.Add(wait)
			continue
		}
		r.reserve(now, call)
		sent++
		if server.wait(now, 1) > 0 {
			refused++
		} else {
			server.take(now, 1)
		}
		if sent%2 == 0 {
			server.take(now, 1) // the other one
		}
		now = now.Add(20 * time.Millisecond)
		r.settle(call, call)
		r.sync(now, []Announcement{{Requests, 600, server.room(now), server.owed(now)}})
	}
	if refused*100 > sent || sent < 1000 {
		t.Errorf("%d of %d requests were refused, want fewer than one in a hundred of at least 1000", refused, sent)
	}
}

func TestNonsenseIsNotAnnounced(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := newRates(Limits{})
	r.sync(now, []Announcement{{Requests, 0, 5, time.Second}, {Requests, -3, 5, 0}, {dimensions, 10, 0, 0}, {Tokens, 10, -1, 0}})
	call := Cost{Rows: 1, Input: 1_000_000}
	if wait := r.wait(now, call, call); wait != 0 {
		t.Errorf("a limit that means nothing lets a request wait for %v", wait)
	}
}

func TestAnswersTellWhatTheNextOneComesTo(t *testing.T) {
	var e expectation
	bound := Cost{Rows: 1, Output: 2048}
	for range enough - 1 {
		e.learn(100)
	}
	if got := e.of(bound).Output; got != 2048 {
		t.Errorf("after few answers %d tokens are expected, want the bound", got)
	}
	for range 100 {
		e.learn(100)
	}
	if got := e.of(bound).Output; got != 121 {
		t.Errorf("%d tokens are expected, want a fifth more than 100", got)
	}
	if got := e.of(Cost{Rows: 1, Output: 50}).Output; got != 50 {
		t.Errorf("%d tokens are expected where 50 are allowed", got)
	}
}
