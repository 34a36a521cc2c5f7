package accel_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

func TestFault_02_AnOutageOfTwentySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 20 * time.Millisecond}
		b := start(t, m, setup{Rows: 16, Concurrency: 8})
		b.warm()
		begun := time.Now()
		end := begun.Add(20 * time.Second)
		m.fault = func(n int, texts []string) error {
			if time.Now().Before(end) {
				return down(n, texts)
			}
			return nil
		}
		texts := numbered("t", 20_000)
		b.Submit(callsOf(false, texts...))
		for b.Stats().Health.State == backpressure.Closed {
			time.Sleep(time.Millisecond)
		}
		opened := time.Now()
		if n := len(m.between(begun, opened)); n > 20 {
			t.Errorf("%d requests before the breaker opened", n)
		}
		time.Sleep(20 * time.Second)
		for i, s := range m.between(opened, end) {
			if len(s.texts) != 1 {
				t.Errorf("request %d of the outage has %d texts", i, len(s.texts))
			}
		}
		if n := len(m.between(opened, end)); n > 12 {
			t.Errorf("%d requests in the outage", n)
		}
		for b.Stats().Health.State != backpressure.Closed {
			time.Sleep(time.Millisecond)
		}
		closed := time.Now()
		if closed.Sub(end) > 16*time.Second {
			t.Errorf("it closed %v after the outage", closed.Sub(end))
		}
		time.Sleep(5 * time.Second)
		if got := b.Stats(); got.Health.Limit != 8 && got.Queued > 0 {
			t.Errorf("after five seconds %d requests may be in flight, want 8 again", got.Health.Limit)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		b.answered(t, texts...)
	})
}

// sluggish is a log that takes a second for each line.
type sluggish struct{ slog.Handler }

func (s sluggish) Handle(context.Context, slog.Record) error {
	<-time.After(time.Second)
	return nil
}

// The end of an outage is told as loud as its beginning, with how long it was.
func TestTheEndOfAnOutageIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond, fault: func(n int, texts []string) error {
			if n < 6 {
				return down(n, texts)
			}
			return nil
		}}
		var log bytes.Buffer
		b := start(t, m, setup{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		b.Submit(callsOf(true, numbered("t", 50)...))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		begun, ended := strings.Count(log.String(), `msg="model unavailable"`), strings.Count(log.String(), `msg="model answers again"`)
		if begun != 1 || ended != 1 || !strings.Contains(log.String(), " after=") || strings.Contains(log.String(), " after=0s") {
			t.Errorf("%d outages and %d ends are told:\n%s", begun, ended, log.String())
		}
	})
}

// A question beside the calls, such as a search, may be the first to meet an outage. Its end is told where its beginning was: once a call has met it.
func TestAnOutageThatAQuestionHasMetIsToldOnceACallMeetsIt(t *testing.T) {
	for _, lasts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var out atomic.Bool
			out.Store(true)
			m := &model{latency: 10 * time.Millisecond, fault: func(n int, texts []string) error {
				if out.Load() {
					return down(n, texts)
				}
				return nil
			}}
			governor := backpressure.New(backpressure.Options{})
			for range 4 {
				if _, err := accel.Once(t.Context(), governor, accel.Embeddings(m), accel.Asked{Text: "how long are you"}); err == nil {
					t.Fatal("a model that is down answers")
				}
				time.Sleep(time.Second)
			}
			if !governor.Probing() {
				t.Fatal("the questions have not met an outage")
			}
			out.Store(lasts)
			var log bytes.Buffer
			b := start(t, m, setup{governed: governor, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
			b.Submit(callsOf(true, numbered("t", 50)...))
			time.Sleep(time.Minute)
			out.Store(false)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			want := 0
			if lasts {
				want = 1
			}
			begun, ended := strings.Count(log.String(), `msg="model unavailable"`), strings.Count(log.String(), `msg="model answers again"`)
			if begun != want || ended != want || strings.Contains(log.String(), " after=0s") {
				t.Errorf("%d outages and %d ends are told, want %d:\n%s", begun, ended, want, log.String())
			}
			b.answered(t, numbered("t", 50)...)
		})
	}
}

func TestFault_03_RecoveryNeedsNoNewInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond, fault: func(n int, texts []string) error {
			if n < 6 {
				return down(n, texts)
			}
			return nil
		}}
		log := slog.New(sluggish{slog.DiscardHandler})
		b := start(t, m, setup{Logger: log})
		b.Submit(callsOf(true, numbered("t", 50)...)) // and nothing more
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 50)...)
	})
}

// deaf is a model that does not hear when it is told to stop.
type deaf struct {
	*model
	stuck chan struct{}
}

func (d *deaf) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	reply, err := d.model.Embed(ctx, texts)
	if err != nil && strings.Contains(err.Error(), "deaf") {
		<-d.stuck
	}
	return reply, err
}

func TestFault_04_AProbeThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{latency: 10 * time.Millisecond}
		d := &deaf{model: m, stuck: make(chan struct{})}
		b := start(t, d, setup{Rows: 4, Concurrency: 4, Timeout: 5 * time.Second})
		m.fault = func(n int, texts []string) error {
			switch {
			case n == 0:
				return down(n, texts)
			case n == 1: // the first probe
				return &accel.Error{Kind: accel.Unavailable, Message: "deaf"}
			}
			return nil
		}
		b.Submit(callsOf(true, numbered("t", 20)...))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := b.count(); n < 19 {
			t.Errorf("%d results while one probe hangs, want all others", n)
		}
		close(d.stuck)
		time.Sleep(time.Minute)
		synctest.Wait()
		b.answered(t, numbered("t", 20)...)
	})
}
