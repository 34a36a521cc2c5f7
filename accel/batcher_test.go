package accel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
)

func TestALoneCallGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{})
		begun := time.Now()
		b.Submit(callsOf(true, "alone"))
		synctest.Wait()
		if got := m.requests(); len(got) != 1 || !got[0].at.Equal(begun) {
			t.Fatalf("requests %v, want one at %v", got, begun)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		b.answered(t, "alone")
		if r := b.one(t, "alone"); r.Attempts != 1 || r.Model != "m-1" {
			t.Errorf("got %d attempts and model %q, want 1 and m-1", r.Attempts, r.Model)
		}
	})
}

func TestRequestsFillWhileSlotsAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 10, Concurrency: 2})
		b.warm()
		before := len(m.requests())
		var texts []string
		for i := range 47 {
			texts = append(texts, fmt.Sprint("text ", i))
			b.Submit(callsOf(false, texts[i]))
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, texts...)
		if diff := cmp.Diff([]int{1, 1, 10, 10, 10, 10, 5}, m.sizes()[before:]); diff != "" {
			t.Errorf("sizes of requests (-want +got):\n%s", diff)
		}
		if m.most != 2 {
			t.Errorf("%d requests in flight at most, want 2", m.most)
		}
	})
}

func TestConcurrencyStartsWithOneRequestAndDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 1, Concurrency: 8})
		b.Submit(callsOf(false, numbered("t", 100)...))
		time.Sleep(time.Minute)
		begun := m.requests()[0].at
		perSecond := map[int]int{}
		for _, s := range m.requests() {
			perSecond[int(s.at.Sub(begun)/time.Second)]++
		}
		for second, want := range []int{1, 2, 4, 8, 8} {
			if perSecond[second] != want {
				t.Errorf("second %d: %d requests, want %d", second, perSecond[second], want)
			}
		}
		if m.most != 8 {
			t.Errorf("%d requests in flight at most, want 8", m.most)
		}
	})
}

func TestTokensBoundARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 100, Tokens: 100, Concurrency: 1})
		b.Submit(callsOf(false, "plug"))
		synctest.Wait()
		long := strings.Repeat("x", 1000)
		var texts []string
		for i := range 6 {
			texts = append(texts, fmt.Sprint(i, strings.Repeat("y", 89))) // 30 tokens each
		}
		b.Submit(callsOf(false, texts...))
		b.Submit(callsOf(false, long))
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, append(texts, long)...)
		if diff := cmp.Diff([]int{1, 3, 3, 1}, m.sizes()); diff != "" {
			t.Errorf("sizes of requests (-want +got):\n%s", diff)
		}
	})
}

func TestLiveCallsGoFirstAndTheRestKeepsAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 8, Concurrency: 1})
		b.Submit(callsOf(false, "plug"))
		synctest.Wait()
		b.Submit(callsOf(false, numbered("rest ", 40)...))
		b.Submit(callsOf(true, numbered("live ", 40)...))
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, s := range m.requests()[1:5] {
			live := 0
			for _, text := range s.texts {
				if strings.HasPrefix(text, "live") {
					live++
				}
			}
			if live != 7 || len(s.texts) != 8 {
				t.Errorf("request %d has %d live calls of %d, want 7 of 8", i, live, len(s.texts))
			}
		}
		if b.count() != 81 {
			t.Errorf("%d results, want 81", b.count())
		}
	})
}

func TestACallThatBecomesLiveOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 1, Concurrency: 1})
		b.Submit(callsOf(false, "plug"))
		synctest.Wait()
		b.Submit(callsOf(false, "a", "b", "c"))
		b.Submit(callsOf(true, "c"))
		time.Sleep(time.Minute)
		synctest.Wait()
		var order []string
		for _, s := range m.requests() {
			order = append(order, s.texts[0])
		}
		if diff := cmp.Diff([]string{"plug", "c", "a", "b"}, order); diff != "" {
			t.Errorf("order of requests (-want +got):\n%s", diff)
		}
	})
}

// I7: equal fingerprints are one call, whether they wait or are in flight.
func TestEqualFingerprintsAreOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 2})
		for range 100 {
			b.Submit(callsOf(false, "a", "b", "a", "c"))
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, "a", "b", "c")
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, m.paid); diff != "" {
			t.Errorf("texts paid (-want +got):\n%s", diff)
		}
	})
}

func TestWithdrawnCallsAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second, fault: func(n int, _ []string) error {
			if n == 1 {
				return down(n, nil)
			}
			return nil
		}}
		b := start(t, m, setup{Rows: 3, Concurrency: 1})
		b.Submit(callsOf(false, "in flight"))
		synctest.Wait()
		b.Submit(callsOf(false, "kept", "fails", "back", "waits"))
		b.Withdraw([][16]byte{fingerprint("in flight"), fingerprint("waits"), fingerprint("unknown")})
		time.Sleep(1500 * time.Millisecond) // kept, fails and back are in flight, and will fail
		b.Withdraw([][16]byte{fingerprint("fails"), fingerprint("back")})
		b.Submit(callsOf(false, "back"))
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, "in flight", "kept", "back")
		if b.count() != 3 {
			t.Errorf("%d results, want 3", b.count())
		}
		if s := b.Stats(); s.Queued != 0 || s.InFlight != 0 || s.InFlightCalls != 0 {
			t.Errorf("something is left: %+v", s)
		}
	})
}

func TestABlockedDoneHoldsItsSlotOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		release := make(chan struct{})
		var taken sync.Map
		b := start(t, m, setup{Rows: 1, Concurrency: 2, Done: func(results []accel.Result) {
			for _, r := range results {
				if r.Fingerprint == fingerprint("slow") {
					<-release
				}
				taken.Store(r.Fingerprint, true)
			}
		}})
		b.Submit(callsOf(false, "warm"))
		synctest.Wait()
		b.Submit(callsOf(false, "slow"))
		b.Submit(callsOf(false, numbered("t", 20)...))
		synctest.Wait()
		for _, text := range numbered("t", 20) {
			if _, ok := taken.Load(fingerprint(text)); !ok {
				t.Fatalf("%q has no result while another Done blocks", text)
			}
		}
		if s := b.Stats(); s.InFlight != 0 || s.InFlightCalls != 0 {
			t.Errorf("in flight %d requests and %d calls, want none", s.InFlight, s.InFlightCalls)
		}
		close(release)
		synctest.Wait()
	})
}

// I7, I9: a model that is faster than the disk is not asked on while nobody takes its results.
func TestResultsThatNobodyTakesEndTheAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		release := make(chan struct{})
		b := start(t, m, setup{Rows: 1, Concurrency: 2, Done: func([]accel.Result) { <-release }})
		b.Submit(callsOf(false, numbered("t", 40)...))
		synctest.Wait()
		if n := len(m.requests()); n < 2 || n > 4 { // what is in flight when the bound is reached comes on top
			t.Errorf("%d requests were sent while nobody took their results, want one or two for each slot", n)
		}
		close(release)
		synctest.Wait()
		if n := len(m.requests()); n != 40 {
			t.Errorf("%d requests were sent in the end, want 40", n)
		}
	})
}

// I7: a call is over when Done has taken its result, not before: who asks again meanwhile pays nothing.
func TestACallAskedAgainWhileItsResultIsTakenIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		release := make(chan struct{})
		b := start(t, m, setup{Done: func([]accel.Result) { <-release }})
		b.Submit(callsOf(false, "asked"))
		synctest.Wait()
		b.Submit(callsOf(true, "asked"))
		if gone := b.Withdraw([][16]byte{fingerprint("asked")}); len(gone) != 0 {
			t.Errorf("the call is called gone, and its result is being taken")
		}
		b.Submit(callsOf(false, "asked"))
		synctest.Wait()
		if s := b.Stats(); s.Queued != 0 || s.InFlightCalls != 0 {
			t.Errorf("%d queued and %d in flight, want none", s.Queued, s.InFlightCalls)
		}
		close(release)
		synctest.Wait()
		if got := m.sizes(); len(got) != 1 {
			t.Errorf("requests of %v calls, want one request", got)
		}
	})
}

func TestDrainAwaitsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 2 * time.Second}
		b := start(t, m, setup{Rows: 1, Concurrency: 1})
		b.Submit(callsOf(false, "sent", "not sent"))
		synctest.Wait()
		begun := time.Now()
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("drain took %v, want 2s", took)
		}
		if err := <-b.run; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		b.answered(t, "sent")
		if len(m.requests()) != 1 || b.Stats().Queued != 1 {
			t.Errorf("%d requests, %d queued; want 1 and 1", len(m.requests()), b.Stats().Queued)
		}
	})
}

func TestDrainCancelsWhatOutlastsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{fault: holding("", errHang)}
		b := start(t, m, setup{Timeout: time.Hour})
		b.Submit(callsOf(false, "hangs"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain returned %v, want a deadline", err)
		}
		if err := <-b.run; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		if s := b.Stats(); s.Failures != 0 || !s.Health.Available || s.Queued != 1 {
			t.Errorf("a cancelled request counts as an outage: %+v", s)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Hour}
		b := start(t, m, setup{Timeout: 2 * time.Hour})
		b.Submit(callsOf(false, "a"))
		synctest.Wait()
		b.cancel()
		if err := <-b.run; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want context.Canceled", err)
		}
		if err := b.Run(t.Context()); err == nil {
			t.Error("a second Run was accepted")
		}
	})
}

func TestDrainOfABatcherThatNeverRan(t *testing.T) {
	b := accel.NewBatcher(accel.Embeddings(&model{}), accel.BatcherOptions{Done: func([]accel.Result) {}})
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); err != nil {
		t.Errorf("Run after Drain returned %v, want nil", err)
	}
}

func TestEstimateTokensIsAnUpperBoundOfAThirdOfTheBytes(t *testing.T) {
	for text, want := range map[string]int{"": 1, "a": 1, "abc": 1, "abcd": 2, strings.Repeat("ä", 30): 20} {
		if got := accel.EstimateTokens(text); got != want {
			t.Errorf("EstimateTokens of %d bytes is %d, want %d", len(text), got, want)
		}
	}
}
