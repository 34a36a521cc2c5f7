package streamtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/freshet/freshet/stream"
)

// Model answers a call with its input in capitals, when and in the order that a test lets it. It outlives
// the engines that ask it, and counts what they pay.
type Model struct {
	name string

	mu      sync.Mutex
	rng     *rand.Rand
	paid    map[string]int // answers by input
	version string
	down    bool
	poison  string // inputs that contain it are refused
	reorder bool
	wake    chan struct{}
	runs    *modelRun
}

// NewModel is a model that answers at once.
func NewModel(name string, seed uint64) *Model {
	return &Model{name: name, rng: rand.New(rand.NewPCG(seed, 1)), paid: map[string]int{}, wake: make(chan struct{}, 1)}
}

// Down has the model answer nothing (true) or everything again (false).
func (m *Model) Down(down bool) { m.set(func() { m.down = down }) }

// Poison has inputs refused that contain a text; empty: none.
func (m *Model) Poison(text string) { m.set(func() { m.poison = text }) }

// Reorder has answers come in any order, a few at a time.
func (m *Model) Reorder() { m.set(func() { m.reorder = true }) }

// Become makes it another model under the same name: its answers end in the version.
func (m *Model) Become(version string) { m.set(func() { m.version = version }) }

func (m *Model) set(change func()) {
	m.mu.Lock()
	change()
	m.mu.Unlock()
	m.poke()
}

func (m *Model) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Paid is how often each input was answered.
func (m *Model) Paid() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	paid := make(map[string]int, len(m.paid))
	for k, n := range m.paid {
		paid[k] = n
	}
	return paid
}

// Name implements stream.Model.
func (m *Model) Name() string { return m.name }

// Identity implements stream.Model.
func (m *Model) Identity() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []byte(m.name + " " + m.version)
}

// modelRun is the queue of one engine.
type modelRun struct {
	queue []stream.Call
	ended bool
}

// Queue implements stream.RemoteModel.
func (m *Model) Queue() stream.CallQueue { return m }

// Run implements stream.RemoteModel. A Run that begins ends the one before, as a process that takes over.
func (m *Model) Run(ctx context.Context, done func([]stream.Answer)) error {
	run := &modelRun{}
	m.mu.Lock()
	if m.runs != nil && !m.runs.ended {
		run.queue = m.runs.queue // submitted before Run began
	}
	m.runs = run
	m.mu.Unlock()
	for {
		answers := m.answer(run)
		if len(answers) > 0 {
			done(answers)
			continue
		}
		select {
		case <-ctx.Done():
			m.mu.Lock()
			run.ended = true
			m.mu.Unlock()
			return nil
		case <-m.wake:
		}
	}
}

// Refused is the word of a model that will not take an input.
var errRefused = errors.New("the model refuses the input")

func (m *Model) answer(run *modelRun) []stream.Answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down || len(run.queue) == 0 || m.runs != run {
		return nil
	}
	n := len(run.queue)
	if m.reorder {
		m.rng.Shuffle(n, func(i, j int) { run.queue[i], run.queue[j] = run.queue[j], run.queue[i] })
		n = 1 + m.rng.IntN(min(n, 3))
	}
	var answers []stream.Answer
	for _, c := range run.queue[:n] {
		a := stream.Answer{Fingerprint: c.Fingerprint, Attempts: 1}
		if m.poison != "" && strings.Contains(string(c.Input), m.poison) {
			a.Rejected = errRefused
		} else {
			m.paid[string(c.Input)]++
			a.Result = []byte(strings.ToUpper(string(c.Input)) + m.version)
		}
		answers = append(answers, a)
	}
	run.queue = append(run.queue[:0], run.queue[n:]...)
	return answers
}

// Submit implements stream.CallQueue.
func (m *Model) Submit(calls []stream.Call) {
	m.mu.Lock()
	if m.runs == nil || m.runs.ended {
		m.runs = &modelRun{}
	}
	for _, c := range calls {
		known := false
		for _, q := range m.runs.queue {
			known = known || q.Fingerprint == c.Fingerprint
		}
		if !known {
			m.runs.queue = append(m.runs.queue, c)
		}
	}
	m.mu.Unlock()
	m.poke()
}

// Withdraw implements stream.CallQueue.
func (m *Model) Withdraw(calls []stream.Fingerprint) []stream.Fingerprint {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs == nil {
		return calls
	}
	for _, f := range calls {
		for i, c := range m.runs.queue {
			if c.Fingerprint == f {
				m.runs.queue = append(m.runs.queue[:i], m.runs.queue[i+1:]...)
				break
			}
		}
	}
	return calls
}

// Drain implements stream.CallQueue.
func (m *Model) Drain(context.Context) error { return nil }

// Health implements stream.CallQueue.
func (m *Model) Health() stream.ModelHealth {
	m.mu.Lock()
	defer m.mu.Unlock()
	return stream.ModelHealth{Available: !m.down, Reason: "errors", Message: "down"}
}
