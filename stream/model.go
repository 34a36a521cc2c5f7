package stream

import (
	"context"
	"time"
)

// Model answers the calls of [Caller] steps. It is safe for concurrent use.
type Model interface {
	// Name is that of the flow file.
	Name() string
	// Identity is what a fingerprint covers: provider, model, revision, dimension; never an address
	// or a secret.
	Identity() []byte
}

// InlineModel is a Model that is cheap enough to be asked within an epoch.
type InlineModel interface {
	Model
	// Answer gives the result of each input, in order.
	Answer(inputs [][]byte) ([][]byte, error)
}

// RemoteModel is a Model behind a queue of its own.
type RemoteModel interface {
	Model
	// Run sends calls until ctx ends or Drain is done; done is called with results as soon as they are
	// complete, from goroutines that Run waits for.
	Run(ctx context.Context, done func([]Answer)) error
	// Queue is where calls are handed in while Run runs.
	Queue() CallQueue
}

// CallQueue takes calls. It never blocks: the engine bounds what it submits.
type CallQueue interface {
	// Submit hands in calls; equal fingerprints are one call.
	Submit(calls []Call)
	// Withdraw drops calls that are not sent yet; it returns those that no answer will follow for: what
	// it dropped, and what it does not know. A call in flight is answered, unless its request fails.
	Withdraw(fingerprints []Fingerprint) []Fingerprint
	// Drain sends nothing new and waits for what is in flight, until ctx ends.
	Drain(ctx context.Context) error
	// Health tells how the model does.
	Health() ModelHealth
}

// Remembering is a RemoteModel with something to remember beyond the life of a process: what it has used
// and spent, until when it wants to be left alone, which model answered under its name.
type Remembering interface {
	RemoteModel
	// Remember hands over what was kept last, nil at first, and where to keep what follows; keep returns
	// when it is durable, and may be nil where nothing is going to be asked. It is called before Run.
	// Afterwards Health counts since the beginning.
	Remember(last []byte, keep func([]byte) error) error
	// Revision is empty until a person has accepted that another model answers under the same name; from
	// then on it is part of every fingerprint of the model's calls. It is that of what was remembered last.
	Revision() []byte
	// Accept makes of what was kept last what is to be kept instead, once a person accepts the model as it
	// is now. changed is false where it is still the same.
	Accept(last []byte) (next []byte, changed bool)
}

// Forecasting is a Model that can say what its calls are going to take before one is made.
type Forecasting interface {
	Model
	// Tokens is the most that the call of an input may count, sent and received.
	Tokens(input []byte) (sent, received int64)
	// Forecast is what that many calls of so many tokens cost, in US dollars, and how long the limits of
	// the flow make them take at least; 0: they do not bound it.
	Forecast(calls, sent, received int64) (usd float64, least time.Duration)
}

// Resuming is a RemoteModel that can be told that a person has dealt with what it was waiting for.
type Resuming interface {
	RemoteModel
	// Resume asks the model again at once, but for a Retry-After, which is waited for.
	Resume()
}

// Call is one input to be answered by a model.
type Call struct {
	Fingerprint Fingerprint
	Input       []byte
	Live        bool   // a change that a user waits for, not a backfill
	Stage       string // the step that asks; steps share a model evenly
}

// Answer is the end of a call: a result, or the model's word that it will never take this input.
// Outages are not answers; the model retries them.
type Answer struct {
	Fingerprint Fingerprint
	Result      []byte
	Rejected    error // a *Rejection says more than that
	Attempts    int
}

// Rejection is why a call will never be answered.
type Rejection struct {
	Code    string // of the dead letter: rejected, refused, truncated, invalid_output
	Message string
	Reply   string // what the model said, as it came; empty where it said nothing
}

// Error is the message.
func (r *Rejection) Error() string { return r.Message }

// ModelHealth is the state of a model for status, readiness and metrics.
type ModelHealth struct {
	Available    bool
	Breaker      string    // closed, half_open, open
	Reason       string    // stable word while not available: model_changed, auth, quota, unknown_model, budget, retry_after, errors
	Message      string    // what the model answered; no secrets
	Since        time.Time // when it became unavailable
	Until        time.Time // when it is asked again, where that is known
	Hard         bool      // waiting alone does not end it: model_changed, auth, quota, unknown_model, budget, or all is rejected
	Limit        int       // requests that may be in flight
	InFlight     int       // requests
	Queued       int       // calls
	Requests     int64
	Sizes        []int64  // requests by how many calls they carried: at i those of at most 2^i, and of more than the one before
	Sent         int64    // calls in them
	InputTokens  int64    // since the beginning where the model remembers, else since it was made
	OutputTokens int64    // likewise
	USD          float64  // what they cost, likewise
	USDToday     float64  // of it since midnight UTC
	USDPerDay    *float64 // what a day may cost; nil: nothing bounds it
	Padding      float64  // tokens computed for one sent, where texts of a request are padded to one length; 0: none sent
}
