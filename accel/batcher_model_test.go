package accel_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/accel"
)

// scenario is a load with faults, drawn at random. After healAfter the model answers every text but
// those that it rejects.
type scenario struct {
	options  setup
	steps    []step
	latency  time.Duration
	faults   []int
	rejected map[string]bool
}

type step struct {
	submit   []string
	live     bool
	withdraw []string
	resume   bool
	pause    time.Duration
}

const healAfter = 30 * time.Second

func drawScenario(t *rapid.T) scenario {
	text := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("t", rapid.IntRange(0, 60).Draw(t, "text")) })
	s := scenario{
		options: setup{
			Rows:        rapid.IntRange(1, 16).Draw(t, "rows"),
			Tokens:      rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "tokens"),
			Concurrency: rapid.IntRange(1, 5).Draw(t, "concurrency"),
			Timeout:     2 * time.Second,
		},
		latency:  time.Duration(rapid.IntRange(0, 300).Draw(t, "latency")) * time.Millisecond,
		faults:   rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(t, "faults"),
		rejected: map[string]bool{},
	}
	for _, text := range rapid.SliceOfN(text, 0, 5).Draw(t, "rejected") {
		s.rejected[text] = true
	}
	s.steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			submit:   rapid.SliceOfN(text, 0, 20).Draw(t, "submit"),
			live:     rapid.Bool().Draw(t, "live"),
			withdraw: rapid.SliceOfN(text, 0, 4).Draw(t, "withdraw"),
			resume:   rapid.IntRange(0, 9).Draw(t, "resume") == 0,
			pause:    time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond,
		}
	}), 1, 15).Draw(t, "steps")
	return s
}

// fault is the outcome of the n-th request of the scenario.
func (s scenario) fault(begun time.Time) func(int, []string) error {
	return func(n int, texts []string) error {
		if time.Since(begun) < healAfter {
			switch s.faults[n%len(s.faults)] {
			case 0:
				return &accel.Error{Kind: accel.Unavailable, Status: 503}
			case 1:
				return &accel.Error{Kind: accel.Unavailable, Status: 429, RetryAfter: 1500 * time.Millisecond}
			case 2:
				return &accel.Error{Kind: accel.Malformed, Status: 200}
			case 3:
				return &accel.Error{Kind: accel.Auth, Status: 401}
			case 4:
				return errHang
			}
		}
		for _, text := range texts {
			if s.rejected[text] {
				return &accel.Error{Kind: accel.Rejected, Status: 400}
			}
		}
		return nil
	}
}

// Whatever the model does and whenever calls come and go: every call that was not withdrawn ends in one
// result that is its own, nothing is left behind, and the limits hold (I6, I7, I9).
func TestEveryCallEndsOnceWhateverTheModelDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = s.play(t) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// answersAgain reports whether one more text is answered, which ends an outage. An outage in which every call
// was withdrawn lasts until there is one: only real work probes a model.
func (s scenario) answersAgain(b *bench) bool {
	const last = "a text that comes after all"
	b.Submit(callsOf(true, last))
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	return len(b.results[fingerprint(last)]) == 1 && b.Stats().Health.Available
}

// play runs the scenario in a bubble and says what is wrong with its end.
func (s scenario) play(t *testing.T) string {
	m := &model{latency: s.latency, fault: s.fault(time.Now())}
	b := start(t, m, s.options)
	submitted, withdrawn := map[string]int{}, map[string]bool{}
	for _, step := range s.steps {
		b.Submit(callsOf(step.live, step.submit...))
		for _, text := range step.submit {
			submitted[text]++
			delete(withdrawn, text)
		}
		for _, text := range step.withdraw {
			b.Withdraw([][16]byte{fingerprint(text)})
			withdrawn[text] = true
		}
		if step.resume {
			b.Resume()
		}
		time.Sleep(step.pause)
	}
	time.Sleep(10 * time.Minute)
	synctest.Wait()

	for text, times := range submitted {
		results := b.results[fingerprint(text)]
		if len(results) == 0 && !withdrawn[text] {
			return fmt.Sprintf("%q has no result; %+v", text, b.Stats())
		}
		if len(results) > times {
			return fmt.Sprintf("%q has %d results for %d submits", text, len(results), times)
		}
		for _, r := range results {
			if (r.Err != nil) != s.rejected[text] {
				return fmt.Sprintf("%q ended in %v", text, r.Err)
			}
			if r.Err == nil && r.Vector[0] != vectorOf(text)[0] {
				return fmt.Sprintf("%q has the vector of another text", text)
			}
		}
		if paid := m.paid[text]; paid > len(results) {
			return fmt.Sprintf("%q was paid %d times for %d results", text, paid, len(results))
		}
	}
	if st := b.Stats(); st.Queued != 0 || st.InFlight != 0 || st.InFlightCalls != 0 {
		return fmt.Sprintf("something is left: %+v", st)
	}
	if !s.answersAgain(b) {
		return fmt.Sprintf("the model is not asked any more: %+v", b.Stats())
	}
	if m.most > s.options.Concurrency {
		return fmt.Sprintf("%d requests in flight, at most %d allowed", m.most, s.options.Concurrency)
	}
	for _, r := range m.sent {
		tokens := 0
		for _, text := range r.texts {
			tokens += accel.EstimateTokens(text)
		}
		if len(r.texts) > s.options.Rows || len(r.texts) > 1 && tokens > s.options.Tokens {
			return fmt.Sprintf("a request has %d texts of %d tokens", len(r.texts), tokens)
		}
	}
	return ""
}
