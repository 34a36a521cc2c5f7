package accel_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/accel"
)

// weather decides what a model does in a stretch of time.
type weather struct {
	rng   *rand.Rand
	until time.Time
	kind  int
}

// fault is what becomes of a request now.
func (w *weather) fault() error {
	if now := time.Now(); now.After(w.until) {
		w.kind = w.rng.IntN(12) // mostly fair
		w.until = now.Add(time.Duration(1+w.rng.IntN(90)) * time.Second)
	}
	switch w.kind {
	case 0:
		return &accel.Error{Kind: accel.Unavailable, Status: 503}
	case 1:
		if w.rng.IntN(3) == 0 {
			return &accel.Error{Kind: accel.Unavailable, Status: 500}
		}
	case 2:
		return &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: time.Duration(1+w.rng.IntN(20)) * time.Second}
	case 3:
		if w.rng.IntN(4) == 0 {
			return errHang
		}
	case 4:
		return &accel.Error{Kind: accel.Malformed, Status: 200}
	case 5:
		if w.rng.IntN(5) == 0 {
			return &accel.Error{Kind: accel.OutOfMemory, Status: 500}
		}
	case 6:
		if w.rng.IntN(20) == 0 {
			return &accel.Error{Kind: accel.Auth, Status: 401}
		}
	}
	return nil
}

// Hours in which everything goes wrong now and then: nothing is lost or paid twice, what waits is bounded by
// the credits, and after each fault the rate comes back.
func TestFault_20_HoursOfFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hours := 4
		if os.Getenv("FRESHET_SOAK") != "" {
			hours = 7 * 24
		}
		m := &model{latency: 200 * time.Millisecond}
		w := &weather{rng: rand.New(rand.NewPCG(9, 9))}
		m.fault = func(int, []string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			return w.fault()
		}
		b := start(t, m, setup{Rows: 32, Concurrency: 8, Timeout: 10 * time.Second})
		credits := b.pool.Stages()[0]
		next := 0
		for end := time.Now().Add(time.Duration(hours) * time.Hour); time.Now().Before(end); time.Sleep(5 * time.Second) {
			for n := 0; n < 40 && credits.Open(); n++ { // eight rows a second
				b.Submit(callsOf(next%10 == 0, fmt.Sprint("row ", next)))
				next++
			}
			if h := b.Stats().Health; h.Hard {
				b.Resume() // somebody is on watch
			}
			if held := b.pool.Balances()[0]; held.Queued.Bytes+held.InFlight.Bytes+held.Retrying.Bytes > 1<<20+1024 {
				t.Fatalf("%+v are held", held)
			}
		}
		m.mu.Lock()
		w.kind, w.until = 11, time.Now().Add(time.Hour)
		m.mu.Unlock()
		b.Resume()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if b.count() != next || b.Stats().Queued > 0 {
			t.Errorf("%d rows of %d have results, %+v", b.count(), next, b.Stats())
		}
		for text, n := range m.paid {
			if n != 1 {
				t.Fatalf("%q was paid %d times", text, n)
			}
		}
		if next < hours*3600*8*6/10 {
			t.Errorf("%d rows were taken in, want at least six tenths of what came", next)
		}
	})
}
