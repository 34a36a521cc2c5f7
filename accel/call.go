package accel

import "time"

// Call is one text for the model.
type Call struct {
	// Fingerprint names the call. Calls of one fingerprint have the same text.
	Fingerprint [16]byte

	// Text is what the model is sent. It is not empty.
	Text string

	// Live calls go before the others, which keep a share of every request.
	Live bool
}

// Result is the end of one call: a vector or a rejection.
type Result struct {
	Fingerprint [16]byte

	// Vector belongs to the receiver; vectors of one reply may share one array. Nil with an Err.
	Vector []float32

	// Model is the name that the server gave itself in the reply; see [Reply].
	Model string

	// Err is nil or an [*Error] of kind Rejected. Outages are never results.
	Err error

	// Attempts is the number of requests that carried the call.
	Attempts int
}

// call is a Call on its way. It is in a queue, or in a piece, or in flight: then it is in neither.
type call struct {
	Call
	tokens    int
	attempts  int
	withdrawn bool // in flight, and not wanted any more: a failure ends it

	queue      *queue
	prev, next *call
	piece      *piece
}

// queue is an intrusive list, so that a call is withdrawn from its midst at once and leaves nothing behind.
type queue struct {
	head, tail *call
}

func (q *queue) empty() bool { return q.head == nil }

func (q *queue) pushBack(c *call) {
	c.queue, c.prev, c.next = q, q.tail, nil
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
}

func (q *queue) pushFront(c *call) {
	c.queue, c.prev, c.next = q, nil, q.head
	if q.head == nil {
		q.tail = c
	} else {
		q.head.prev = c
	}
	q.head = c
}

func (q *queue) remove(c *call) {
	if c.prev == nil {
		q.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.queue, c.prev, c.next = nil, nil, nil
}

// piece is what remains of a request that was not answered: calls that go out again together, at most
// limit at a time. Halving the limit is how a rejected text, or one that breaks the server, is
// separated from its siblings.
type piece struct {
	calls []*call
	limit int
	due   time.Time
	delay time.Duration // the back-off that led to due; the next one grows from it
}
