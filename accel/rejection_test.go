package accel_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
)

func TestARejectedTextIsFoundInFewRequestsAndItsSiblingsAreAnswered(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7, 33, 64, 100} {
		for _, at := range []int{0, n / 2, n - 1} {
			t.Run(fmt.Sprintf("text %d of %d", at, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					rejection := &accel.Error{Kind: accel.Rejected, Status: 400, Message: "no"}
					m := &model{latency: time.Millisecond, fault: holding("poison", rejection)}
					b := start(t, m, setup{Rows: 100, Concurrency: 2})
					texts := numbered("t", n)
					texts[at] = "poison"
					b.Submit(callsOf(false, texts...))
					time.Sleep(time.Second)
					synctest.Wait()
					for i, text := range texts {
						if i != at {
							b.answered(t, text)
						}
					}
					if r := b.one(t, "poison"); !errors.Is(r.Err, rejection) || r.Vector != nil {
						t.Errorf("the poison ended in %v", r.Err)
					}
					further, bound := len(m.requests())-1, int(2*math.Log2(float64(n))+2)
					if further > bound {
						t.Errorf("%d further requests, want at most %d", further, bound)
					}
					s := b.Stats()
					if s.Failures != int64(b.one(t, "poison").Attempts) || s.Rejected != 1 || !s.Health.Available || s.Health.Reason != "" {
						t.Errorf("a rejection counts as an outage: %+v", s)
					}
				})
			})
		}
	}
}

func TestSeveralRejectedTextsAreAllFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: time.Millisecond, fault: holding("poison", &accel.Error{Kind: accel.Rejected})}
		b := start(t, m, setup{Concurrency: 4})
		var texts []string
		for i := range 64 {
			if i%16 == 3 {
				texts = append(texts, fmt.Sprint("poison ", i))
			} else {
				texts = append(texts, fmt.Sprint("t ", i))
			}
		}
		b.Submit(callsOf(true, texts...))
		time.Sleep(time.Second)
		synctest.Wait()
		if s := b.Stats(); s.Calls != 60 || s.Rejected != 4 || s.Requests > 40 || b.count() != 64 {
			t.Errorf("stats %+v, want 60 answered and 4 rejected in at most 40 requests", s)
		}
	})
}
