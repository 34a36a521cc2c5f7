package accel_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// between returns the requests of a span of time.
func (m *model) between(from, to time.Time) []sent {
	var some []sent
	for _, s := range m.requests() {
		if !s.at.Before(from) && s.at.Before(to) {
			some = append(some, s)
		}
	}
	return some
}

func TestFault_01_RetryAfterOnOneOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 50 * time.Millisecond}
		b := start(t, m, setup{Rows: 8, Concurrency: 8, Limits: backpressure.Limits{backpressure.Tokens: 600_000}})
		b.warm()
		hit := len(m.requests()) + 5
		m.fault = func(n int, _ []string) error {
			if n == hit {
				return &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: 30 * time.Second}
			}
			return nil
		}
		b.Submit(callsOf(false, numbered("t", 2000)...))
		told := time.Now()
		for len(m.requests()) <= hit {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(m.latency + time.Millisecond) // what is sent in the very moment of the refusal cannot know of it
		synctest.Wait()
		closed := time.Now()
		if some := m.between(closed, closed.Add(29*time.Second)); len(some) > 0 {
			t.Errorf("%d requests before the Retry-After was over", len(some))
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 2000)...)
		after := m.between(closed, time.Now())
		first := after[0].at
		if first.Sub(told) > 34*time.Second {
			t.Errorf("the first request came after %v", first.Sub(told))
		}
		if n := len(m.between(first, first.Add(m.latency))); n > 4 {
			t.Errorf("%d requests in the first round trip, want at most 4", n)
		}
		for text, n := range m.paid {
			if n != 1 {
				t.Errorf("%q was paid %d times", text, n)
			}
		}
		if h := b.Stats().Health; h.State != backpressure.Closed || !h.Available {
			t.Errorf("health %+v", h)
		}
	})
}

func TestFault_05_OnePoisonRow(t *testing.T) {
	for name, rows := range map[string][]int{"the server names no place": nil, "the server names its place": {33}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &model{latency: time.Millisecond}
				b := start(t, m, setup{Rows: 64, Concurrency: 2})
				texts := numbered("t", 64)
				texts[33] = "poison"
				m.fault = func(_ int, sent []string) error {
					for i, text := range sent {
						if text == "poison" {
							e := &accel.Error{Kind: accel.Rejected, Status: 400, Message: "no"}
							if rows != nil {
								e.Rows = []int{i}
							}
							return e
						}
					}
					return nil
				}
				b.Submit(callsOf(false, texts...))
				time.Sleep(time.Minute)
				synctest.Wait()
				most := 14
				if rows != nil {
					most = 2
				}
				if n := len(m.requests()); n > most || b.count() != 64 {
					t.Errorf("%d requests, %d results; want at most %d and 64", n, b.count(), most)
				}
				if r := b.one(t, "poison"); r.Err == nil || !strings.Contains(r.Err.Error(), "no") {
					t.Errorf("the poison ended in %v", r.Err)
				}
				if h := b.Stats().Health; h.State != backpressure.Closed {
					t.Errorf("health %+v", h)
				}
				// It comes again, among others: it goes alone.
				before := len(m.requests())
				b.Submit(callsOf(false, append(numbered("u", 20), "poison")...))
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, s := range m.since(before) {
					if len(s.texts) > 1 && strings.Contains(strings.Join(s.texts, " "), "poison") {
						t.Errorf("a text that was rejected before goes with %d others", len(s.texts)-1)
					}
				}
			})
		})
	}
}

func TestFault_06_AModelThatRejectsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond}
		m.fault = func(int, []string) error {
			return &accel.Error{Kind: accel.Rejected, Status: 400, Message: "bad dimensions"}
		}
		b := start(t, m, setup{Rows: 64, Concurrency: 2})
		texts := numbered("t", 500)
		b.Submit(callsOf(false, texts...))
		time.Sleep(50 * time.Second)
		synctest.Wait()
		h := b.Stats().Health
		if n := len(m.requests()); n > 40 || b.count() > 0 {
			t.Errorf("%d requests and %d results, want at most 40 and none: not the texts are wrong", n, b.count())
		}
		if h.Available || !h.Hard || h.Reason != backpressure.ReasonErrors || !strings.Contains(h.Message, "rejects every text") {
			t.Errorf("health %+v", h)
		}
		m.fault = holding("t7", &accel.Error{Kind: accel.Rejected, Status: 400}) // somebody mends it
		b.Resume()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, text := range texts {
			if r := b.one(t, text); (r.Err != nil) != strings.Contains(text, "t7") {
				t.Errorf("%q ended in %v", text, r.Err)
			}
		}
	})
}

func TestFault_06_ItsWordCountsWhenAPersonSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond, fault: func(int, []string) error { return &accel.Error{Kind: accel.Rejected, Status: 400} }}
		b := start(t, m, setup{Rows: 64, Concurrency: 2})
		b.Submit(callsOf(false, numbered("t", 100)...))
		time.Sleep(10 * time.Second)
		b.Resume()
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.count() != 100 || b.Stats().Rejected != 100 {
			t.Errorf("%d results, %+v", b.count(), b.Stats())
		}
	})
}

// A few rows that are all wrong, and nothing else to ask: they are the ones to blame.
func TestFault_06_AFewWrongRowsAreRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{fault: func(int, []string) error { return &accel.Error{Kind: accel.Rejected, Status: 400} }}
		b := start(t, m, setup{})
		b.Submit(callsOf(true, numbered("t", 5)...))
		time.Sleep(time.Second)
		synctest.Wait()
		if b.Stats().Rejected != 5 {
			t.Errorf("%+v, want 5 rejected", b.Stats())
		}
	})
}

func TestFault_07_ADeviceTenTimesSlower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		m := &model{}
		m.fault = func(int, []string) error {
			wait := 10 * time.Millisecond
			if slow.Load() {
				wait *= 10
			}
			time.Sleep(wait)
			return nil
		}
		b := start(t, m, setup{Rows: 32, Concurrency: 2})
		b.warm()
		credits := b.pool.Stages()[0]
		answered, next := 0, 0
		feed := func(during time.Duration) int {
			before := b.count()
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(time.Millisecond) {
				for credits.Open() { // the source is read while there are credits
					b.Submit(callsOf(false, fmt.Sprint("row ", next)))
					next++
				}
				if s := b.Stats(); s.InFlight > 2 {
					t.Fatalf("%d requests in flight at a device of two slots", s.InFlight)
				}
				if held := b.pool.Balances()[0]; held.Queued.Bytes+held.InFlight.Bytes > 1<<20+1024 {
					t.Fatalf("%d bytes are queued", held.Queued.Bytes)
				}
			}
			answered = b.count() - before
			return answered
		}
		full := feed(10 * time.Second)
		slow.Store(true)
		feed(2 * time.Second)
		if n := feed(10 * time.Second); n < full/11 || n > full/9 {
			t.Errorf("%d rows in ten slow seconds, %d in ten full ones", n, full)
		}
		slow.Store(false)
		feed(2 * time.Second)
		if n := feed(10 * time.Second); n < full*95/100 || n > full*110/100 {
			t.Errorf("%d rows in ten seconds afterwards, %d before", n, full)
		}
	})
}

func TestFault_08_OutOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 300 // tokens, padding included
		m := &model{latency: time.Millisecond}
		exceeded := 0
		m.fault = func(_ int, texts []string) error {
			longest := 0
			for _, text := range texts {
				longest = max(longest, accel.EstimateTokens(text))
			}
			if longest*len(texts) > most {
				exceeded++
				return &accel.Error{Kind: accel.OutOfMemory, Status: 500}
			}
			return nil
		}
		b := start(t, m, setup{Rows: 64, Tokens: 2000, Concurrency: 1, Padded: true})
		var texts []string
		for i := range 2000 {
			texts = append(texts, fmt.Sprintf("%d%s", i, strings.Repeat("x", 20+i%40)))
		}
		huge := strings.Repeat("y", 3*most+9)
		b.Submit(callsOf(false, append(texts, huge)...))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.answered(t, texts...)
		if r := b.one(t, huge); r.Err == nil {
			t.Error("a text that is too much alone has a vector")
		}
		s := b.Stats()
		if exceeded > 12 || s.Budget >= 2000 || s.Budget < most/4 || s.Health.State != backpressure.Closed {
			t.Errorf("%d requests were too much, the budget is %d, %+v", exceeded, s.Budget, s.Health)
		}
	})
}

func TestFault_10_AReplyThatIsWrongInAnyPartIsWrongAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &partly{model: &model{latency: time.Millisecond}}, setup{Rows: 8})
		b.Submit(callsOf(false, numbered("t", 200)...))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 200)...)
	})
}

// partly is a model that now and then leaves a vector out, or has one too many.
type partly struct {
	*model
	n int
}

func (p *partly) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	reply, err := p.model.Embed(ctx, texts)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.n++; {
	case err != nil:
	case p.n%7 == 3:
		reply.Vectors = reply.Vectors[1:]
	case p.n%7 == 5:
		reply.Vectors = append(reply.Vectors, reply.Vectors[0])
	}
	return reply, err
}
