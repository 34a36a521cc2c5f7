package operators

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Remote makes an embedder behind a server a model that the engine asks through a queue. Its results
// are vectors as rows hold them. It is safe for concurrent use.
type Remote struct {
	name     string
	embedder accel.Embedder
	options  accel.BatcherOptions

	mu      sync.Mutex
	batcher *accel.Batcher
	run     bool // the batcher has been run: it cannot be again
	done    func([]stream.Answer)
}

var (
	_ stream.RemoteModel = (*Remote)(nil)
	_ stream.CallQueue   = (*Remote)(nil)
)

// NewRemote names an embedder. Options.Done is the adapter's own.
func NewRemote(name string, e accel.Embedder, o accel.BatcherOptions) *Remote {
	r := &Remote{name: name, embedder: e, options: o}
	r.options.Done = r.deliver
	r.batcher = accel.NewBatcher(e, r.options)
	return r
}

// Name implements stream.Model.
func (r *Remote) Name() string { return r.name }

// Identity implements stream.Model.
func (r *Remote) Identity() []byte { return identity(r.embedder.Identity()) }

// Dims is the length of the vectors; 0 where it is not known.
func (r *Remote) Dims() int { return r.embedder.Identity().Dims }

// Queue implements stream.RemoteModel.
func (r *Remote) Queue() stream.CallQueue { return r }

// Run implements stream.RemoteModel. It may be called again after it has returned; calls that were left
// then are forgotten.
func (r *Remote) Run(ctx context.Context, done func([]stream.Answer)) error {
	r.mu.Lock()
	if r.run {
		r.batcher = accel.NewBatcher(r.embedder, r.options)
	}
	r.run, r.done = true, done
	b := r.batcher
	r.mu.Unlock()
	if err := b.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (r *Remote) current() *accel.Batcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batcher
}

// deliver hands the results of one reply on. Run waits for it.
func (r *Remote) deliver(results []accel.Result) {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	answers := make([]stream.Answer, len(results))
	for i, x := range results {
		answers[i] = stream.Answer{Fingerprint: x.Fingerprint, Rejected: x.Err, Attempts: x.Attempts}
		if x.Err == nil {
			answers[i].Result = cdc.AppendVector(make([]byte, 0, 4*len(x.Vector)), x.Vector)
		}
	}
	done(answers)
}

// Submit implements stream.CallQueue.
func (r *Remote) Submit(calls []stream.Call) {
	batch := make([]accel.Call, len(calls))
	for i, c := range calls {
		batch[i] = accel.Call{Fingerprint: c.Fingerprint, Text: string(c.Input), Live: c.Live}
	}
	r.current().Submit(batch)
}

// Withdraw implements stream.CallQueue.
func (r *Remote) Withdraw(fingerprints []stream.Fingerprint) []stream.Fingerprint {
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

// Ask embeds a question at once, beside the queue: somebody waits for the answer, and it is no call of a
// step.
func (r *Remote) Ask(ctx context.Context, input []byte) ([]byte, error) {
	reply, err := r.embedder.Embed(ctx, []string{string(input)})
	if err != nil {
		return nil, err
	}
	return cdc.AppendVector(nil, reply.Vectors[0]), nil
}

// Drain implements stream.CallQueue.
func (r *Remote) Drain(ctx context.Context) error { return r.current().Drain(ctx) }

// Resume asks the model again at once: a person has dealt with what it was waiting for.
func (r *Remote) Resume() { r.current().Resume() }

// Health implements stream.CallQueue.
func (r *Remote) Health() stream.ModelHealth {
	s := r.current().Stats()
	h := stream.ModelHealth{Available: s.Health.Available, Reason: string(s.Health.Reason), Since: s.Health.Since,
		Until: s.Health.Until, InFlight: s.InFlight, Queued: s.Queued, Requests: s.Requests,
		InputTokens: s.Usage.InputTokens, OutputTokens: s.Usage.OutputTokens}
	if last := s.Health.Last; last != nil && !h.Available {
		h.Message = last.Error()
	}
	switch s.Health.Reason {
	case accel.ReasonAuth, accel.ReasonQuota, accel.ReasonUnknownModel:
		h.Hard = true
	}
	return h
}

// identity encodes what the vectors of a model depend on: never an address or a credential.
func identity(i accel.Identity) []byte {
	var b []byte
	for _, part := range []string{i.Provider, i.Model, i.Revision} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.AppendUvarint(b, uint64(i.Dims))
}
