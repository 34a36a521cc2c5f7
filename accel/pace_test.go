package accel_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

func TestRetryAfterClosesTheGateForEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond}
		b := start(t, m, setup{Rows: 4, Concurrency: 8})
		b.warm()
		warm := len(m.requests())
		m.fault = func(n int, _ []string) error {
			if n == warm+5 {
				return &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: 30 * time.Second}
			}
			return nil
		}
		b.Submit(callsOf(false, numbered("t", 200)...))
		time.Sleep(10*time.Millisecond + time.Nanosecond)
		synctest.Wait()
		closed, told := time.Now(), len(m.requests())
		if h := b.Stats().Health; h.Available || h.State != backpressure.Closed || h.Reason != backpressure.ReasonRetryAfter || h.Until.Sub(closed) < 29*time.Second || h.Until.Sub(closed) > 33*time.Second {
			t.Errorf("while the gate is closed health is %+v", h)
		}
		b.Resume()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n := len(m.requests()) - told; n > 0 {
			t.Fatalf("%d requests left before the Retry-After was over", n)
		}
		time.Sleep(4 * time.Second) // a tenth is added, so that the callers of one key do not meet
		synctest.Wait()
		first := m.since(told)
		if len(first) == 0 || first[0].at.Sub(closed) > 33*time.Second {
			t.Fatal("no request left within 33 s")
		}
		for _, s := range first[1:] {
			if s.at.Sub(first[0].at) < m.latency {
				t.Error("more than one request left at once when the gate opened")
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 200)...)
		if h := b.Stats().Health; h.Reason != "" || h.Message != "" {
			t.Errorf("after the gate opened health is %+v", h)
		}
	})
}

func TestARestartedFlowLearnsARetryAfterFromOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond, fault: func(n int, _ []string) error {
			if n == 0 {
				return &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: 20 * time.Second}
			}
			return nil
		}}
		b := start(t, m, setup{})
		b.Submit(callsOf(true, numbered("t", 1000)...))
		time.Sleep(19 * time.Second)
		if n := len(m.requests()); n != 1 {
			t.Errorf("%d requests before the gate opened, want 1", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 1000)...)
	})
}

func TestAModelThatFailsThreeTimesInTenIsStillUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 100 * time.Millisecond, fault: func(n int, texts []string) error {
			if uint32(n+1)*2654435761>>16%10 < 3 {
				return down(n, texts)
			}
			return nil
		}}
		b := start(t, m, setup{Rows: 1})
		b.Submit(callsOf(false, numbered("t", 2000)...))
		// At full concurrency and without waits it would be 36 s.
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 2000)...)
		if n := len(m.requests()); n > 3000 {
			t.Errorf("%d requests for 2000 calls, want at most 3000", n)
		}
	})
}

func TestAFailureShrinksWhatMayBeInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 1, Concurrency: 8})
		b.warm()
		warm := len(m.requests())
		m.fault = func(n int, texts []string) error {
			if n == warm {
				return down(n, texts)
			}
			return nil
		}
		b.Submit(callsOf(true, "fails"))
		time.Sleep(time.Second)
		synctest.Wait()
		b.Submit(callsOf(true, numbered("t", 20)...))
		synctest.Wait()
		if got := b.Stats().InFlight; got != 5 {
			t.Errorf("%d requests in flight after one of 8 slots failed, want seven tenths", got)
		}
	})
}

func TestAModelThatAnswersLittleButProbesIsLeftAloneForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 0
		m := &model{latency: 10 * time.Millisecond}
		m.fault = func(n int, texts []string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if failures++; failures > 3 && len(texts) == 1 {
				failures = 0
				return nil
			}
			return down(n, texts)
		}
		b := start(t, m, setup{})
		b.Submit(callsOf(true, numbered("t", 5000)...))
		time.Sleep(10 * time.Minute)
		if n := len(m.requests()); n > 1000 {
			t.Errorf("%d requests in ten minutes", n)
		}
	})
}
