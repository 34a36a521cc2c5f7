package streamtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/stream"
)

// Model answers a call with its input in capitals, when and in the order that a test lets it. It outlives
// the engines that ask it, and counts what they pay.
type Model struct {
	name string

	mu      sync.Mutex
	rng     *rand.Rand
	paid    map[string]int // answers by input
	down    bool
	poison  string // inputs that contain it are refused
	stall   string // inputs that contain it wait
	delay   time.Duration
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

// Stall has inputs wait that contain a text; empty: none.
func (m *Model) Stall(text string) { m.set(func() { m.stall = text }) }

// Delay has every answer take so long from the moment that its call is taken up.
func (m *Model) Delay(d time.Duration) { m.set(func() { m.delay = d }) }

// Reorder has answers come in any order, a few at a time.
func (m *Model) Reorder() { m.set(func() { m.reorder = true }) }

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
func (m *Model) Identity() []byte { return []byte(m.name) }

// modelRun is the queue of one engine.
type modelRun struct {
	queue  []stream.Call
	flying map[stream.Fingerprint]bool // taken up, the answer not handed over yet
	landed chan struct{}               // closed when nothing flies any more
	ended  bool                        // it takes up nothing
}

// Queue implements stream.RemoteModel.
func (m *Model) Queue() stream.CallQueue { return m }

// Run implements stream.RemoteModel. A Run that begins ends the one before, as a process that takes over.
func (m *Model) Run(ctx context.Context, done func([]stream.Answer)) error {
	run := &modelRun{flying: map[stream.Fingerprint]bool{}}
	m.mu.Lock()
	if m.runs != nil && !m.runs.ended {
		run.queue = m.runs.queue // submitted before Run began
	}
	m.runs = run
	m.mu.Unlock()
	for {
		answers, delay := m.answer(run)
		if len(answers) > 0 {
			if delay > 0 && !await(ctx, delay) {
				m.end(run) // the process has died: nobody hears the answer, although it is paid
				return nil
			}
			done(answers)
			m.land(run)
			continue
		}
		select {
		case <-ctx.Done():
			m.end(run)
			return nil
		case <-m.wake:
		}
	}
}

func (m *Model) end(run *modelRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	run.ended = true
}

func (m *Model) land(run *modelRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(run.flying)
	close(run.landed)
}

func await(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// errRefused is the word of a model that will not take an input.
var errRefused = errors.New("the model refuses the input")

// answer takes calls off the queue and pays for them.
func (m *Model) answer(run *modelRun) (answers []stream.Answer, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down || m.runs != run || run.ended {
		return nil, 0
	}
	var ready, rest []stream.Call
	for _, c := range run.queue {
		if m.stall != "" && strings.Contains(string(c.Input), m.stall) {
			rest = append(rest, c)
		} else {
			ready = append(ready, c)
		}
	}
	n := len(ready)
	if m.reorder && n > 0 {
		m.rng.Shuffle(n, func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
		n = 1 + m.rng.IntN(min(n, 3))
	}
	if n > 0 {
		run.landed = make(chan struct{})
	}
	for _, c := range ready[:n] {
		run.flying[c.Fingerprint] = true
		a := stream.Answer{Fingerprint: c.Fingerprint, Attempts: 1}
		if m.poison != "" && strings.Contains(string(c.Input), m.poison) {
			a.Rejected = errRefused
		} else {
			m.paid[string(c.Input)]++
			a.Result = []byte(strings.ToUpper(string(c.Input)))
		}
		answers = append(answers, a)
	}
	run.queue = append(rest, ready[n:]...)
	return answers, m.delay
}

// Submit implements stream.CallQueue.
func (m *Model) Submit(calls []stream.Call) {
	m.mu.Lock()
	if m.runs == nil || m.runs.ended {
		m.runs = &modelRun{}
	}
	for _, c := range calls {
		known := m.runs.flying[c.Fingerprint]
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
	var gone []stream.Fingerprint
	for _, f := range calls {
		if m.runs.flying[f] {
			continue
		}
		gone = append(gone, f)
		for i, c := range m.runs.queue {
			if c.Fingerprint == f {
				m.runs.queue = append(m.runs.queue[:i], m.runs.queue[i+1:]...)
				break
			}
		}
	}
	return gone
}

// Drain implements stream.CallQueue.
func (m *Model) Drain(ctx context.Context) error {
	m.mu.Lock()
	run := m.runs
	if run == nil {
		m.mu.Unlock()
		return nil
	}
	run.ended = true
	flying, landed := len(run.flying), run.landed
	m.mu.Unlock()
	if flying == 0 {
		return nil
	}
	select {
	case <-landed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Health implements stream.CallQueue.
func (m *Model) Health() stream.ModelHealth {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := stream.ModelHealth{Available: !m.down}
	if m.down {
		h.Reason, h.Message = "errors", "down"
	}
	if m.runs != nil {
		h.Queued, h.InFlight = len(m.runs.queue), min(len(m.runs.flying), 1)
	}
	return h
}
