package console

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/stream/engine"
)

// Sample is a flow at one time.
type Sample struct {
	At      time.Time
	Status  engine.Status
	Ready   bool
	Reasons []engine.Reason
}

// How much a [Watch] keeps, and over which time a rate is taken.
const (
	samplesMax = 150
	sampleBeat = 2 * time.Second // so that five minutes are kept
	rateSpan   = 10 * time.Second
	stalledFor = 15 * time.Second
)

// Watch remembers the last minutes of a flow. The zero Watch is ready for use. It is safe for concurrent use.
type Watch struct {
	mu      sync.Mutex
	samples []Sample // by time; those closer than sampleBeat to the one before are not kept
	newest  Sample
}

// See takes in a sample. Samples come in the order of time.
func (w *Watch) See(s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = s
	if n := len(w.samples); n > 0 {
		last := w.samples[n-1]
		// A flow that has begun anew counts from where its state is; what was before says nothing of its rates.
		if s.Status.Epoch < last.Status.Epoch || s.At.Before(last.At) {
			w.samples = nil
		} else if s.At.Sub(last.At) < sampleBeat {
			return
		}
	}
	if len(w.samples) == samplesMax {
		w.samples = slices.Delete(w.samples, 0, 1)
	}
	w.samples = append(w.samples, s)
}

// Newest is the sample that was seen last; its time is zero before the first.
func (w *Watch) Newest() Sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest
}

// rate is how fast a total grows, in units a second, and whether that can be told yet.
func (w *Watch) rate(total func(engine.Status) int64) (float64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from, ok := w.since(rateSpan)
	if !ok {
		return 0, false
	}
	seconds := w.newest.At.Sub(from.At).Seconds()
	return max(0, float64(total(w.newest.Status)-total(from.Status))) / seconds, true
}

// since is the newest sample that is at least so old, or else the oldest, if it lies before the newest.
func (w *Watch) since(span time.Duration) (Sample, bool) {
	var found Sample
	for _, s := range w.samples {
		if found.At.IsZero() || w.newest.At.Sub(s.At) >= span {
			found = s
		}
	}
	return found, !found.At.IsZero() && w.newest.At.After(found.At)
}

// shrinking is how fast what is left becomes less, in units a second.
func (w *Watch) shrinking(left func(engine.Status) int64) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	from, ok := w.since(3 * rateSpan)
	if !ok {
		return 0
	}
	return float64(left(from.Status)-left(w.newest.Status)) / w.newest.At.Sub(from.At).Seconds()
}

// still reports whether something has waited for a while and nothing of it was done.
func (w *Watch) still(waiting, done func(engine.Status) int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if waiting(w.newest.Status) == 0 {
		return false
	}
	from, ok := w.since(stalledFor)
	if !ok || w.newest.At.Sub(from.At) < stalledFor {
		return false
	}
	for _, s := range w.samples {
		if !s.At.Before(from.At) && (waiting(s.Status) == 0 || done(s.Status) != done(w.newest.Status)) {
			return false
		}
	}
	return true
}

// line is the rate of a total between the samples that are kept, oldest first.
func (w *Watch) line(total func(engine.Status) int64) []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var points []float64
	for i := 1; i < len(w.samples); i++ {
		a, b := w.samples[i-1], w.samples[i]
		points = append(points, max(0, float64(total(b.Status)-total(a.Status))/b.At.Sub(a.At).Seconds()))
	}
	return points
}

// Totals of a flow, as [Watch.rate] takes them.
func changesOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return s.Sources[name].ChangesTotal }
}

func rowsOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return s.Steps[name].Rows }
}

func callsOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return s.Steps[name].CallsTotal }
}

func pendingOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return int64(s.Steps[name].Pending) }
}

func tokensOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return s.Models[name].TokensTotal }
}

func writesOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return s.Sinks[name].UpsertsTotal + s.Sinks[name].DeletesTotal }
}

func successorOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 {
		if x := s.Sinks[name].Successor; x != nil {
			return x.Rows
		}
		return 0
	}
}

func outboxOf(name string) func(engine.Status) int64 {
	return func(s engine.Status) int64 { return int64(s.Sinks[name].Outbox) }
}

// names lists the keys of a map in order.
func names[V any](all map[string]V) []string { return slices.Sorted(maps.Keys(all)) }
