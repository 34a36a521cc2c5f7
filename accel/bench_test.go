package accel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is an embedder that answers from memory after a latency, and misbehaves as told.
type model struct {
	latency time.Duration
	// fault decides the outcome of the n-th request, counted from zero; nil answers all.
	fault func(n int, texts []string) error

	mu       sync.Mutex
	sent     []sent
	paid     map[string]int
	inFlight int
	most     int
}

type sent struct {
	at    time.Time
	texts []string
}

func (m *model) Identity() accel.Identity {
	return accel.Identity{Provider: "test", Model: "m", Dims: 1}
}

func (m *model) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	m.mu.Lock()
	n := len(m.sent)
	m.sent = append(m.sent, sent{time.Now(), slices.Clone(texts)})
	m.inFlight++
	m.most = max(m.most, m.inFlight)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.inFlight--
		m.mu.Unlock()
	}()
	if m.latency > 0 {
		select {
		case <-time.After(m.latency):
		case <-ctx.Done():
			return accel.Reply{}, ctx.Err()
		}
	}
	if m.fault != nil {
		if err := m.fault(n, texts); errors.Is(err, errHang) {
			<-ctx.Done()
			return accel.Reply{}, ctx.Err()
		} else if err != nil {
			return accel.Reply{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := accel.Reply{Model: "m-1", Usage: accel.Usage{InputTokens: int64(len(texts))}}
	for _, text := range texts {
		if m.paid == nil {
			m.paid = map[string]int{}
		}
		m.paid[text]++
		reply.Vectors = append(reply.Vectors, vectorOf(text))
	}
	return reply, nil
}

func (m *model) requests() []sent {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

func (m *model) sizes() []int {
	var sizes []int
	for _, s := range m.requests() {
		sizes = append(sizes, len(s.texts))
	}
	return sizes
}

var errHang = errors.New("hang until cancelled")

func down(int, []string) error { return &accel.Error{Kind: accel.Unavailable, Status: 503} }

// holding fails every request that carries a text with the mark in it.
func holding(mark string, err error) func(int, []string) error {
	return func(_ int, texts []string) error {
		if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, mark) }) {
			return err
		}
		return nil
	}
}

func vectorOf(text string) []float32 {
	var sum float32
	for i, c := range []byte(text) {
		sum += float32(c) * float32(i+1)
	}
	return []float32{sum}
}

func fingerprint(text string) (fp [16]byte) {
	copy(fp[:], text)
	return fp
}

func callsOf(live bool, texts ...string) []accel.Call {
	var calls []accel.Call
	for _, text := range texts {
		calls = append(calls, accel.Call{Fingerprint: fingerprint(text), Text: text, Live: live})
	}
	return calls
}

func numbered(prefix string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return texts
}

// bench is a running batcher and what it handed out.
type bench struct {
	*accel.Batcher
	cancel context.CancelFunc
	run    chan error
	pool   *backpressure.Pool

	mu      sync.Mutex
	results map[[16]byte][]accel.Result
	at      map[[16]byte]time.Time
}

// setup is what a test wants of batcher and governor.
type setup struct {
	Rows, Tokens, Concurrency int
	Timeout                   time.Duration
	Padded                    bool
	Weights                   map[string]int
	Limits                    backpressure.Limits
	Price                     backpressure.Price
	Daily                     *backpressure.Money
	Canary                    accel.Canary
	Done                      func([]accel.Result)
	Stages                    []string
	Logger                    *slog.Logger
	governed                  *backpressure.Governor // one that has settled requests before
	answerer                  accel.Answerer
}

func (s setup) governor() *backpressure.Governor {
	if s.governed != nil {
		return s.governed
	}
	return backpressure.New(backpressure.Options{Concurrency: s.Concurrency, Limits: s.Limits, Price: s.Price, Daily: s.Daily, Deadline: s.Timeout})
}

func (s setup) options() accel.BatcherOptions {
	return accel.BatcherOptions{Governor: s.governor(), Rows: s.Rows, Tokens: s.Tokens, Timeout: s.Timeout, Padded: s.Padded,
		Weights: s.Weights, Canary: s.Canary, Done: s.Done, Logger: s.Logger}
}

// start runs a batcher inside the test's bubble. The test ends it with stop or by Drain.
func start(t *testing.T, m accel.Embedder, s setup) *bench {
	t.Helper()
	b := &bench{pool: backpressure.NewPool(backpressure.Amount{Bytes: 1 << 20}), run: make(chan error, 1), results: map[[16]byte][]accel.Result{}, at: map[[16]byte]time.Time{}}
	if s.Done == nil {
		s.Done = b.done
	}
	if s.answerer == nil {
		s.answerer = accel.Embeddings(m)
	}
	b.Batcher = accel.NewBatcher(s.answerer, s.options())
	for _, stage := range append([]string{""}, s.Stages...) {
		b.Use(stage, b.pool.Stage(stage))
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	var running sync.WaitGroup
	running.Go(func() { b.run <- b.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		b.conserved(t)
	})
	return b
}

// conserved checks that no credit is lost or made of nothing: what is not free is held by calls that are not
// over (I9).
func (b *bench) conserved(t *testing.T) {
	t.Helper()
	held := int64(0)
	for _, x := range b.pool.Balances() {
		if sum := x.Free.Plus(x.Queued).Plus(x.InFlight).Plus(x.Retrying); sum != x.Granted {
			t.Errorf("granted %+v, the others come to %+v", x.Granted, sum)
		}
		held += x.Queued.Rows + x.InFlight.Rows + x.Retrying.Rows
	}
	if s := b.Stats(); int(held) != s.Queued+s.InFlightCalls {
		t.Errorf("credits are held for %d calls, and %d are not over", held, s.Queued+s.InFlightCalls)
	}
}

func (b *bench) done(results []accel.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range results {
		b.results[r.Fingerprint] = append(b.results[r.Fingerprint], r)
		b.at[r.Fingerprint] = time.Now()
	}
}

func (b *bench) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.results)
}

func (b *bench) when(text string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[fingerprint(text)]
}

// one returns the only result of a text.
func (b *bench) one(t *testing.T, text string) accel.Result {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.results[fingerprint(text)]
	if len(got) != 1 {
		t.Fatalf("%q has %d results, want 1", text, len(got))
	}
	return got[0]
}

// answered checks that each text has one result, and that its vector is its own.
func (b *bench) answered(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		r := b.one(t, text)
		if r.Err != nil {
			t.Errorf("%q ended in %v, want a vector", text, r.Err)
		} else if diff := cmp.Diff(vectorOf(text), r.Vector); diff != "" {
			t.Errorf("%q has another vector (-want +got):\n%s", text, diff)
		}
	}
}

// warm lets the batcher reach its full concurrency.
func (b *bench) warm() {
	for i := range 8 {
		b.Submit(callsOf(true, fmt.Sprintf("warm %d", i)))
		time.Sleep(time.Minute)
		synctest.Wait()
	}
}
