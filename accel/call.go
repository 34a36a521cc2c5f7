package accel

import (
	"github.com/freshet/freshet/backpressure"
)

// Call is one text for the model.
type Call struct {
	// Fingerprint names the call. Calls of one fingerprint have the same text.
	Fingerprint [16]byte

	// Text is what the model is sent. It is not empty.
	Text string

	// Live calls go before the others, which keep a share of every request.
	Live bool

	// Stage is who asks. Calls of different stages get equal shares of the model's tokens, or shares by
	// [BatcherOptions.Weights].
	Stage string
}

// Result is the end of one call: a vector, a text, or a rejection.
type Result struct {
	Fingerprint [16]byte

	// Vector and Text belong to the receiver; vectors of one reply may share one array. Nil with an Err.
	Vector []float32
	Text   []byte

	// Model is the name that the server gave itself in the reply; see [Reply].
	Model string

	// Err is nil or an [*Error] that is final for this call. Outages are never results.
	Err error

	// Attempts is the number of requests that carried the call.
	Attempts int
}

// callOverhead is what a call that waits costs in memory besides its text, in bytes.
const callOverhead = 256

// call is a Call on its way. It waits in a line, or in a piece, or is parked, or is a suspect, or is in
// flight: then it is in none of them.
type call struct {
	Call
	turn      *Turn // nil: its first
	cost      backpressure.Cost
	attempts  int
	broke     int  // requests of it alone with which a worker broke
	alone     bool // it was rejected before, or a worker broke with it: it goes without siblings
	withdrawn bool // in flight, and not wanted any more: a failure ends it

	credits *backpressure.Credits // nil: nobody counts
	holding backpressure.Holding

	place      place
	line       *line
	prev, next *call // in the line
	sorted     bool  // it is in the window of its line
	piece      *piece
	verdict    *Error // of a suspect
}

// place is where a call is.
type place uint8

const (
	inFlight place = iota
	inLine
	inPiece
	parked
	suspected
)

// tokens are what the call counts in a request.
func (c *call) tokens() int { return int(c.cost.Input + c.cost.Output) }

func (c *call) asked() Asked {
	asked := Asked{Text: c.Text}
	if c.turn != nil {
		asked.Turn = *c.turn
	}
	return asked
}

func (c *call) amount() backpressure.Amount {
	return backpressure.Amount{Rows: 1, Bytes: int64(len(c.Text)) + callOverhead, Tokens: int64(EstimateTokens(c.Text))}
}

// hold tells the credits where the call is now.
func (c *call) hold(to backpressure.Holding) {
	if c.credits != nil && c.holding != to {
		c.credits.Move(c.amount(), c.holding, to)
	}
	c.holding = to
}

// release gives the call's credits back.
func (c *call) release() {
	if c.credits != nil {
		c.credits.Return(c.amount(), c.holding)
		c.credits = nil
	}
}
