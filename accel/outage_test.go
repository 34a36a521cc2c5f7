package accel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// since returns the requests after the first n.
func (m *model) since(n int) []sent { return m.requests()[n:] }

// I6: an outage is no rejection. The calls wait and are answered when the model is back.
func TestAnOutageIsProbedWithOneTextAndEndsWithEveryCallAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lasts = 10 * time.Minute
		m := &model{latency: 20 * time.Millisecond}
		b := start(t, m, setup{Rows: 16, Concurrency: 8})
		b.warm()
		warm := len(m.requests())
		begun := time.Now()
		m.fault = func(n int, texts []string) error {
			if time.Since(begun) < lasts {
				return down(n, texts)
			}
			return nil
		}
		texts := numbered("t", 1000)
		b.Submit(callsOf(false, texts[:500]...))
		b.Submit(callsOf(true, texts[500:]...))
		time.Sleep(time.Minute)
		if h := b.Stats().Health; h.Available || h.Reason != backpressure.ReasonErrors || h.State == backpressure.Closed || h.Message == "" || !h.Until.After(time.Now()) {
			t.Errorf("in the outage health is %+v", h)
		}
		time.Sleep(lasts)
		synctest.Wait()
		b.answered(t, texts...)

		sent := m.since(warm)
		opened := 0 // requests before the first wait of a back-off
		for opened < len(sent) && sent[opened].at.Sub(begun) < 100*time.Millisecond {
			opened++
		}
		if opened > 8+2 { // those in flight, and one for each of the two failures that may be chance
			t.Errorf("%d requests were sent before the outage was noticed, want at most 10", opened)
		}
		last := sent[0].at
		for i, s := range sent[opened:] {
			if s.at.Sub(begun) >= lasts {
				break
			}
			wait := s.at.Sub(last)
			if len(s.texts) != 1 {
				t.Errorf("probe %d has %d texts, want 1", i, len(s.texts))
			}
			if i == 0 && wait > time.Second || wait > 15*time.Second+m.latency || wait < 100*time.Millisecond {
				t.Errorf("probe %d came after %v", i, wait)
			}
			last = s.at
		}
		if h := b.Stats().Health; !h.Available || h.Reason != "" || h.State != backpressure.Closed || !h.Until.IsZero() || h.Since.Sub(begun) < lasts {
			t.Errorf("after the outage health is %+v", h)
		}
		for text, n := range m.paid {
			if n != 1 {
				t.Errorf("%q was paid %d times", text, n)
			}
		}
	})
}

func TestAFlowThatStartsInAnOutageSendsOneRequestPerBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{fault: down}
		b := start(t, m, setup{})
		b.Submit(callsOf(true, numbered("t", 500)...))
		time.Sleep(6 * time.Second)
		if n := len(m.requests()); n < 3 || n > 15 {
			t.Errorf("%d requests in the first six seconds of an outage, want 3 to 15", n)
		}
		if m.most != 1 {
			t.Errorf("%d requests at once, want 1", m.most)
		}
	})
}

func TestARequestThatFailsAloneIsRetriedWithoutHoldingTheOthers(t *testing.T) {
	for _, kind := range []accel.Kind{accel.Unavailable, accel.Malformed} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{latency: 10 * time.Millisecond}
				b := start(t, m, setup{Rows: 4, Concurrency: 2})
				b.warm()
				failAt := len(m.requests()) + 3
				m.fault = func(n int, _ []string) error {
					if n == failAt {
						return &accel.Error{Kind: kind}
					}
					return nil
				}
				begun := time.Now()
				b.Submit(callsOf(false, numbered("t", 200)...))
				time.Sleep(time.Minute)
				synctest.Wait()
				b.answered(t, numbered("t", 200)...)
				late := 0
				for _, text := range numbered("t", 200) {
					took := b.when(text).Sub(begun)
					if took > 600*time.Millisecond {
						t.Errorf("%q took %v", text, took)
					}
					if b.one(t, text).Attempts > 1 {
						late++
					}
				}
				if late != 4 {
					t.Errorf("%d calls needed another attempt, want the 4 of one request", late)
				}
				if s := b.Stats(); s.Failures != 1 || !s.Health.Available {
					t.Errorf("one broken request makes an outage: %+v", s)
				}
			})
		})
	}
}

func TestAnOutageThatNoCallWaitsForHindersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{fault: down}
		b := start(t, m, setup{})
		b.Submit(callsOf(true, "a"))
		synctest.Wait()
		b.Withdraw([][16]byte{fingerprint("a")})
		if h := b.Stats().Health; h.Available || h.State != backpressure.Open {
			t.Errorf("in the back-off health is %+v", h)
		}
		time.Sleep(time.Second)
		if h := b.Stats().Health; !h.Available || h.State != backpressure.HalfOpen || h.Reason != "" {
			t.Errorf("after it health is %+v", h)
		}
		begun := time.Now()
		b.Submit(callsOf(true, "b"))
		synctest.Wait()
		if s := b.Stats(); len(m.requests()) != 2 || s.Health.Available {
			t.Errorf("a new call was not sent as a probe: %+v", s)
		}
		time.Sleep(time.Minute)
		if got := m.requests()[1].at; !got.Equal(begun) {
			t.Errorf("the probe left after %v", got.Sub(begun))
		}
	})
}

func TestATimeoutIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{fault: func(n int, _ []string) error {
			if n == 0 {
				return errHang
			}
			return nil
		}}
		b := start(t, m, setup{Timeout: 5 * time.Second})
		b.Submit(callsOf(true, "a"))
		time.Sleep(5*time.Second + time.Nanosecond)
		synctest.Wait()
		if h := b.Stats().Health; h.Message == "" || !strings.Contains(h.Message, "no complete answer within 5s") {
			t.Errorf("after the timeout health is %+v", h)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		b.answered(t, "a")
	})
}

// A text that breaks the server looks like an outage. It must not hold its siblings for ever, nor
// pass for an outage of the model.
func TestATextThatBreaksTheServerIsSeparatedFromItsSiblings(t *testing.T) {
	for _, concurrency := range []int{1, 8} {
		for _, fault := range []error{errHang, &accel.Error{Kind: accel.Unavailable}} {
			t.Run(fmt.Sprint(fault, " with concurrency ", concurrency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := &model{latency: 10 * time.Millisecond, fault: holding("toxic", fault)}
					b := start(t, m, setup{Rows: 64, Concurrency: concurrency, Timeout: 5 * time.Second})
					b.Submit(callsOf(true, "toxic"))
					b.Submit(callsOf(false, numbered("t", 300)...))
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					b.answered(t, numbered("t", 300)...)
					if b.count() != 300 {
						t.Error("an outage became a result")
					}
					if n := len(m.requests()); n > 400 {
						t.Errorf("%d requests in ten minutes", n)
					}
				})
			})
		}
	}
}

func TestATextThatBreaksTheServerIsSeparatedWhileOthersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond, fault: holding("toxic", &accel.Error{Kind: accel.Unavailable})}
		b := start(t, m, setup{Rows: 64, Concurrency: 2})
		b.warm()
		begun := time.Now()
		siblings := numbered("sibling ", 63)
		b.Submit(callsOf(false, append([]string{"toxic"}, siblings...)...))
		for i := range 6000 { // without these the failures would look like an outage
			b.Submit(callsOf(true, fmt.Sprint("other ", i)))
			time.Sleep(10 * time.Millisecond)
		}
		for _, text := range siblings {
			b.answered(t, text)
			if took := b.when(text).Sub(begun); took > 40*time.Second {
				t.Errorf("%q took %v", text, took)
			}
		}
		if h := b.Stats().Health; !h.Available || h.Since.After(begun) {
			t.Errorf("one text made an outage: %+v", h)
		}
	})
}

func TestErrorsThatNeedAPersonAreNotProbedForAMinute(t *testing.T) {
	for kind, reason := range map[accel.Kind]backpressure.Reason{
		accel.Auth: backpressure.ReasonAuth, accel.Quota: backpressure.ReasonQuota, accel.UnknownModel: backpressure.ReasonUnknownModel,
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{latency: 10 * time.Millisecond, fault: func(int, []string) error {
					return &accel.Error{Kind: kind, RetryAfter: time.Second}
				}}
				b := start(t, m, setup{})
				begun := time.Now()
				b.Submit(callsOf(true, numbered("t", 100)...))
				time.Sleep(59 * time.Second)
				if n := len(m.requests()); n != 1 {
					t.Errorf("%d requests in the first minute, want 1", n)
				}
				h := b.Stats().Health
				if h.Available || h.State != backpressure.Open || h.Reason != reason || h.Until.Sub(begun) < time.Minute {
					t.Errorf("health is %+v", h)
				}
				time.Sleep(2 * time.Second)
				if got := m.sizes(); len(got) != 2 || got[1] != 1 {
					t.Errorf("sizes of requests %v, want a second one with one text after a minute", got)
				}
				m.fault = nil
				b.Resume()
				time.Sleep(time.Second)
				synctest.Wait()
				b.answered(t, numbered("t", 100)...)
			})
		})
	}
}

func TestOneRefusalOfTheKeyHoldsEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond}
		b := start(t, m, setup{Rows: 1, Concurrency: 8})
		b.warm()
		warm := len(m.requests())
		m.fault = func(n int, _ []string) error {
			if n == warm+3 {
				return &accel.Error{Kind: accel.Auth, Status: 401}
			}
			return nil
		}
		b.Submit(callsOf(true, numbered("t", 100)...))
		time.Sleep(30 * time.Second)
		if n := len(m.requests()) - warm; n > 16 {
			t.Errorf("%d requests after the key was refused, want those in flight", n)
		}
		if b.Stats().Health.Available {
			t.Error("a request that was under way when the key was refused closed the breaker")
		}
	})
}

// short is a model that leaves out the last vector.
type short struct{ *model }

func (s short) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	reply, err := s.model.Embed(ctx, texts)
	reply.Vectors = reply.Vectors[:len(texts)-1]
	return reply, err
}

func TestAWrongNumberOfVectorsIsMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, short{&model{}}, setup{})
		b.Submit(callsOf(true, "a", "b"))
		synctest.Wait()
		s := b.Stats()
		if b.count() != 0 || s.Health.Message == "" || !strings.Contains(s.Health.Message, "malformed") {
			t.Errorf("%d results and %+v, want none and malformed", b.count(), s.Health)
		}
		if s.Usage.InputTokens != 2 {
			t.Errorf("usage %+v, want that of the unusable reply", s.Usage)
		}
	})
}

func TestStatsCountWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Second}
		b := start(t, m, setup{Rows: 4, Concurrency: 1})
		b.Submit(callsOf(false, numbered("t", 10)...))
		synctest.Wait()
		s := b.Stats()
		got := []int64{int64(s.Queued), int64(s.InFlight), int64(s.InFlightCalls), s.Calls, s.Requests, s.Usage.InputTokens}
		if diff := cmp.Diff([]int64{6, 1, 4, 0, 1, 0}, got); diff != "" {
			t.Errorf("queued, in flight, calls in flight, answered, requests, tokens (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		s = b.Stats()
		got = []int64{int64(s.Queued), int64(s.InFlight), int64(s.InFlightCalls), s.Calls, s.Requests, s.Usage.InputTokens}
		if diff := cmp.Diff([]int64{0, 0, 0, 10, 3, 10}, got); diff != "" {
			t.Errorf("queued, in flight, calls in flight, answered, requests, tokens (-want +got):\n%s", diff)
		}
	})
}
