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

// Call is one input to be answered by a model.
type Call struct {
	Fingerprint Fingerprint
	Input       []byte
	Live        bool // a change that a user waits for, not a backfill
}

// Answer is the end of a call: a result, or the model's word that it will never take this input.
// Outages are not answers; the model retries them.
type Answer struct {
	Fingerprint Fingerprint
	Result      []byte
	Rejected    error
	Attempts    int
}

// ModelHealth is the state of a model for status, readiness and metrics.
type ModelHealth struct {
	Available    bool
	Reason       string    // stable word while not available: errors, retry_after, auth, quota, unknown_model
	Message      string    // what the model answered; no secrets
	Since        time.Time // when it became unavailable
	Until        time.Time // when it is asked again, where that is known
	Hard         bool      // no retry without a person: auth, quota, unknown_model
	InFlight     int       // requests
	Queued       int       // calls
	Requests     int64
	InputTokens  int64
	OutputTokens int64
}
