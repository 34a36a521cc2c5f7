package backpressure

import "time"

// meter holds one quantity to a rate by the generic cell rate algorithm with cost: tat, the theoretical
// arrival time, is when the meter will be full again. A cost greater than the burst is admitted by a full
// meter and leaves it in debt, so that nothing is too large to be ever admitted.
type meter struct {
	each  time.Duration // time that one unit takes to come back
	burst time.Duration // how far tat may lie ahead
	tat   time.Time
}

// newMeter holds to a rate per second with room for burst units at once.
func newMeter(perSecond, burst float64) meter {
	m := meter{}
	m.set(time.Time{}, perSecond, burst)
	return m
}

// set changes rate and burst; the units that are owed stay owed.
func (m *meter) set(now time.Time, perSecond, burst float64) {
	if m.each > 0 {
		units := float64(m.owed(now)) / float64(m.each)
		m.tat = now.Add(time.Duration(units / perSecond * float64(time.Second)))
	}
	m.each = time.Duration(float64(time.Second) / perSecond)
	m.burst = time.Duration(burst / perSecond * float64(time.Second))
}

func (m *meter) on() bool { return m.burst > 0 }

// cost is the time that n units take to come back.
func (m *meter) cost(n int64) time.Duration {
	// A burst counted in units of each, so that a full meter holds just its burst.
	return time.Duration(n) * m.each
}

// room is how many units are left now; zero in debt.
func (m *meter) room(now time.Time) int64 {
	left := m.burst - m.owed(now)
	if left <= 0 {
		return 0
	}
	return int64(left / m.each)
}

// owed is how far the meter is from full.
func (m *meter) owed(now time.Time) time.Duration { return max(0, m.tat.Sub(now)) }

// wait is how long n units have to wait; zero when they may go now.
func (m *meter) wait(now time.Time, n int64) time.Duration {
	owed := m.owed(now)
	over := owed + m.cost(n) - m.burst
	if over <= 0 || owed == 0 {
		return 0
	}
	return min(over, owed)
}

// take spends n units, into debt where there are fewer.
func (m *meter) take(now time.Time, n int64) {
	if m.tat.Before(now) {
		m.tat = now
	}
	m.tat = m.tat.Add(m.cost(n))
}

// give brings n units back; a negative n spends more.
func (m *meter) give(n int64) { m.tat = m.tat.Add(-m.cost(n)) }

// tighten lowers what is left to n units, and never raises it.
func (m *meter) tighten(now time.Time, n int64) {
	if tat := now.Add(m.burst - m.cost(n)); tat.After(m.tat) {
		m.tat = tat
	}
}
