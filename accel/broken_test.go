package accel_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// brittle answers call by call, in order, and breaks at the calls that broken says. It tells at which one it
// was unless it is mute.
type brittle struct {
	mu     sync.Mutex
	broken func(text string) bool
	mute   bool
	sent   [][]string
}

func (w *brittle) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "brittle"}
}
func (w *brittle) Cost(asked accel.Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: 1}
}

func (w *brittle) Answer(_ context.Context, asked []accel.Asked) (accel.Answers, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, a := range asked {
		texts = append(texts, a.Text)
	}
	w.sent = append(w.sent, texts)
	answers := accel.Answers{Each: make([]accel.Answer, len(asked))}
	for i, text := range texts {
		if w.broken(text) {
			e := &accel.Error{Kind: accel.Broke, Message: "signal: killed", Rows: []int{i}}
			if w.mute {
				e.Rows, answers.Each = nil, nil
			}
			return answers, e
		}
		answers.Each[i].Text = []byte("<" + text + ">")
	}
	return answers, nil
}

// I6, I7: what a worker has answered before it dies is kept and not asked again; the call that it was at goes
// alone, and is given up after three requests of it alone; its siblings are answered.
func TestAWorkerThatBreaksIsAskedAgainForTheRest(t *testing.T) {
	for _, c := range []struct {
		name     string
		mute     bool
		requests int // most that were sent
		given    int // most calls in them
	}{
		{"it tells at which call it was", false, 10, 2 * 32},
		{"it does not tell, and the calls are halved", true, 20, 32 + 2*32 + brokenMost + 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &brittle{mute: c.mute, broken: func(text string) bool { return text == "t17" }}
				b := start(t, nil, setup{answerer: w, Rows: 32, Concurrency: 1})
				texts := numbered("t", 32)
				b.Submit(callsOf(false, texts...))
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(w.sent); n > c.requests {
					t.Errorf("%d requests, want at most %d: %v", n, c.requests, w.sent)
				}
				given, alone := 0, 0
				for _, s := range w.sent {
					given += len(s)
					if slices.Equal(s, []string{"t17"}) {
						alone++
					}
				}
				if given > c.given || alone != brokenMost {
					t.Errorf("%d calls were given and the one that breaks it %d times alone, want at most %d and %d", given, alone, c.given, brokenMost)
				}
				for _, text := range texts {
					r := b.one(t, text)
					if e, ok := r.Err.(*accel.Error); text == "t17" && (!ok || e.Kind != accel.Broke) {
						t.Errorf("the call that breaks it ends in %v", r.Err)
					}
					if text != "t17" && string(r.Text) != "<"+text+">" {
						t.Errorf("%s is answered %q (%v)", text, r.Text, r.Err)
					}
				}
				if h := b.Stats().Health; !h.Available {
					t.Errorf("one row has closed the worker: %+v", h)
				}
			})
		})
	}
}

// brokenMost is how often a call goes alone until it is given up.
const brokenMost = 3

// A worker that breaks with everything opens the breaker, which paces what is lost.
func TestAWorkerThatBreaksWithEveryCallOpensTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &brittle{broken: func(string) bool { return true }}
		b := start(t, nil, setup{answerer: w, Rows: 8, Concurrency: 2})
		b.Submit(callsOf(false, numbered("t", 1000)...))
		time.Sleep(time.Minute)
		synctest.Wait()
		if h := b.Stats().Health; h.Available || b.count() > 30 || len(w.sent) > 60 {
			t.Errorf("after a minute %d of 1000 calls are given up in %d requests, and health is %+v", b.count(), len(w.sent), h)
		}
	})
}

// A reply that breaks off by an outage keeps what it had answered.
func TestAnOutageKeepsWhatWasAnsweredBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &halting{}
		b := start(t, nil, setup{answerer: w, Rows: 10, Concurrency: 1})
		texts := numbered("t", 40)
		b.Submit(callsOf(false, texts...))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, text := range texts {
			if r := b.one(t, text); string(r.Text) != text {
				t.Errorf("%s is answered %q (%v)", text, r.Text, r.Err)
			}
		}
		if w.given[texts[0]] != 1 {
			t.Errorf("the first call was given %d times, want once", w.given[texts[0]])
		}
	})
}

// halting answers half of each larger request, then its connection breaks.
type halting struct {
	mu    sync.Mutex
	given map[string]int
}

func (w *halting) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "halting"}
}
func (w *halting) Cost(asked accel.Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: 1}
}

func (w *halting) Answer(_ context.Context, asked []accel.Asked) (accel.Answers, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.given == nil {
		w.given = map[string]int{}
	}
	answers := accel.Answers{Each: make([]accel.Answer, len(asked))}
	for i, a := range asked {
		w.given[a.Text]++
		if len(asked) > 1 && i >= len(asked)/2 {
			continue
		}
		answers.Each[i].Text = []byte(a.Text)
	}
	if len(asked) > 1 {
		return answers, &accel.Error{Kind: accel.Unavailable, Message: fmt.Sprint("broken pipe after ", len(asked)/2)}
	}
	return answers, nil
}
