package operators

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// ModelOptions says how a model behind a server is asked.
type ModelOptions struct {
	accel.BatcherOptions
	// CanaryEvery is the least time between two questions for a fixed text, which show whether the model is
	// still the same; 0 never asks. Canary and Done of the embedded options are the adapter's own.
	CanaryEvery time.Duration
}

// asker is the queue of a model behind a server: what [Remote] and [Generative] have in common.
type asker struct {
	name     string
	answerer accel.Answerer
	options  accel.BatcherOptions
	memory   memory
	end      func() error // lets what was opened go

	mu      sync.Mutex
	batcher *accel.Batcher
	credits map[string]*backpressure.Credits
	run     bool // the batcher has been run: it cannot be again
	done    func([]stream.Answer)
}

// newAsker names a model. Where it is watched, another model under the same name is noticed.
func newAsker(name string, a accel.Answerer, o ModelOptions, watch bool) *asker {
	r := &asker{name: name, options: o.BatcherOptions, credits: map[string]*backpressure.Credits{}}
	if r.options.Governor == nil {
		r.options.Governor = backpressure.New(backpressure.Options{Deadline: o.Timeout})
	}
	r.answerer, r.end = a, func() error { return nil }
	if c, ok := a.(io.Closer); ok {
		r.end = c.Close
	}
	r.options.Done = r.deliver
	if watch {
		w := &watched{Answerer: a, face: &r.memory.face}
		r.answerer = w
		r.options.Canary = accel.Canary{Text: canaryText, Every: o.CanaryEvery, Check: w.check}
	}
	r.batcher = accel.NewBatcher(r.answerer, r.options)
	return r
}

// Name implements stream.Model.
func (r *asker) Name() string { return r.name }

// Identity implements stream.Model.
func (r *asker) Identity() []byte { return identity(r.answerer.Identity()) }

// Queue implements stream.RemoteModel.
func (r *asker) Queue() stream.CallQueue { return r }

// Run implements stream.RemoteModel. It may be called again after it has returned; calls that were left
// then are forgotten.
func (r *asker) Run(ctx context.Context, done func([]stream.Answer)) error {
	r.mu.Lock()
	if r.run {
		r.batcher = accel.NewBatcher(r.answerer, r.options)
		for stage, c := range r.credits {
			r.batcher.Use(stage, c)
		}
	}
	r.run, r.done = true, done
	b := r.batcher
	r.mu.Unlock()

	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	keeper.Go(func() { r.memory.run(keeping, r.options.Governor, r.options.Logger) })
	defer keeper.Wait()
	defer stop()
	err := b.Run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, r.end())
}

// Close lets go what questions outside of a Run have opened, such as a connection or a worker; a Run does so itself at its
// end. It is called when nobody asks any more. A question behind it opens what it needs anew.
func (r *asker) Close() error { return r.end() }

// Use has the calls of a stage counted on its credits. It is called before Run.
func (r *asker) Use(stage string, c *backpressure.Credits) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.credits[stage] = c
	r.batcher.Use(stage, c)
}

func (r *asker) current() *accel.Batcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batcher
}

// deliver hands the results of one reply on. Run waits for it.
func (r *asker) deliver(results []accel.Result) {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	answers := make([]stream.Answer, len(results))
	for i, x := range results {
		answers[i] = stream.Answer{Fingerprint: x.Fingerprint, Rejected: rejection(x.Err), Attempts: x.Attempts}
		switch {
		case x.Err != nil:
		case x.Vector != nil:
			answers[i].Result = cdc.AppendVector(make([]byte, 0, 4*len(x.Vector)), x.Vector)
		default:
			answers[i].Result = x.Text
		}
	}
	done(answers)
}

// Submit implements stream.CallQueue.
func (r *asker) Submit(calls []stream.Call) {
	batch := make([]accel.Call, len(calls))
	for i, c := range calls {
		batch[i] = accel.Call{Fingerprint: c.Fingerprint, Text: string(c.Input), Live: c.Live, Stage: c.Stage}
	}
	r.current().Submit(batch)
}

// Withdraw implements stream.CallQueue.
func (r *asker) Withdraw(fingerprints []stream.Fingerprint) []stream.Fingerprint {
	asked := make([][16]byte, len(fingerprints))
	for i, f := range fingerprints {
		asked[i] = f
	}
	gone := r.current().Withdraw(asked)
	answered := make([]stream.Fingerprint, len(gone))
	for i, f := range gone {
		answered[i] = f
	}
	return answered
}

// Drain implements stream.CallQueue.
func (r *asker) Drain(ctx context.Context) error { return r.current().Drain(ctx) }

// Resume implements stream.Resuming.
func (r *asker) Resume() { r.current().Resume() }

// Health implements stream.CallQueue.
func (r *asker) Health() stream.ModelHealth {
	s := r.current().Stats()
	h := stream.ModelHealth{Available: s.Health.Available, Breaker: s.Health.State.String(), Reason: string(s.Health.Reason),
		Message: s.Health.Message, Since: s.Health.Since, Until: s.Health.Until, Hard: s.Health.Hard, Limit: s.Health.Limit,
		InFlight: s.InFlight, Queued: s.Queued, Requests: s.Requests, Sizes: s.Sizes[:], Sent: s.Sent, InputTokens: s.Health.Spent.Input,
		OutputTokens: s.Health.Spent.Output, USD: s.Health.Spent.Total.USD(), USDToday: s.Health.Spent.Today.USD()}
	if s.Health.Daily != nil {
		daily := s.Health.Daily.USD()
		h.USDPerDay = &daily
	}
	if s.RealTokens > 0 {
		h.Padding = float64(s.PaddedTokens) / float64(s.RealTokens)
	}
	return h
}

// Remember implements stream.Remembering.
func (r *asker) Remember(last []byte, keep func([]byte) error) error {
	return r.memory.restore(r.Identity(), last, keep, r.options.Governor)
}

// Revision implements stream.Remembering.
func (r *asker) Revision() []byte { return r.memory.revision() }

// Accept implements stream.Remembering.
func (r *asker) Accept(last []byte) (next []byte, changed bool) { return accept(r.Identity(), last) }

// once asks one question beside the queue. What it opens stays open for the next one, until the end of a Run, or Close.
func (r *asker) once(ctx context.Context, input []byte) (accel.Answer, error) {
	return accel.Once(ctx, r.options.Governor, r.answerer, accel.Asked{Text: string(input)})
}
