package backpressure

import (
	"fmt"
	"slices"
	"sync"
)

// Holding says what a credit that is not free is spent on.
type Holding uint8

// A credit is queued from the moment that its work was taken in, in flight while it is being answered, and
// retrying between two attempts.
const (
	Queued Holding = iota
	InFlight
	Retrying
	holdings
)

// String returns the state as the metrics name it.
func (h Holding) String() string {
	switch h {
	case Queued:
		return "queued"
	case InFlight:
		return "in_flight"
	case Retrying:
		return "retrying"
	}
	return fmt.Sprintf("holding %d", uint8(h))
}

// Pool is what may be under way at all stages of a flow together. Half of it is reserved: each stage has a
// part that nobody else can use up, so that one that makes much of little (a splitter) can always go on.
// The other half is for whoever needs it.
type Pool struct {
	total Amount

	mu     sync.Mutex
	stages []*Credits
}

// NewPool returns a pool of that much. A dimension that is zero is not bounded.
func NewPool(total Amount) *Pool { return &Pool{total: total} }

// Stage adds a stage to the pool. All stages are added before the first one takes anything, because every
// further one makes the reserves smaller.
func (p *Pool) Stage(name string) *Credits {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Credits{name: name, pool: p}
	p.stages = append(p.stages, c)
	return c
}

// Stages lists the stages in the order in which they were added.
func (p *Pool) Stages() []*Credits {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.stages)
}

// reserveLocked is what every stage has for itself.
func (p *Pool) reserveLocked() Amount {
	if len(p.stages) <= 1 {
		return p.total
	}
	return p.total.half().over(int64(len(p.stages)))
}

// sharedLocked is what is left of the part that belongs to nobody.
func (p *Pool) sharedLocked() Amount {
	reserve := p.reserveLocked()
	left := p.total
	for _, s := range p.stages {
		left = left.Minus(reserve).Minus(s.usedLocked().above(reserve))
	}
	return left.above(Amount{})
}

// Credits is the part of a pool that belongs to one stage.
type Credits struct {
	name string
	pool *Pool // its mutex guards held
	held [holdings]Amount
}

// Name is the stage's.
func (c *Credits) Name() string { return c.name }

func (c *Credits) usedLocked() Amount {
	var used Amount
	for _, h := range c.held {
		used = used.Plus(h)
	}
	return used
}

// freeLocked is what the stage may still take in: what is left of its own part, and of the shared one.
func (c *Credits) freeLocked() Amount {
	return c.pool.reserveLocked().above(c.usedLocked()).Plus(c.pool.sharedLocked())
}

// Open reports whether the stage may take in more (I9): whether something is left in every dimension that
// is bounded. What is taken in then may be more than what is left, because a source's transaction or an
// owner's rows cannot be taken in half; such a one is taken alone.
func (c *Credits) Open() bool {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	free, total := c.freeLocked(), c.pool.total
	return (total.Rows == 0 || free.Rows > 0) && (total.Bytes == 0 || free.Bytes > 0) && (total.Tokens == 0 || free.Tokens > 0)
}

// Take spends credits on work that has been taken in: they are queued.
func (c *Credits) Take(a Amount) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.held[Queued] = c.held[Queued].Plus(a)
}

// Move says that what a was spent on has come from one state to another. A credit is never made or lost by
// it.
func (c *Credits) Move(a Amount, from, to Holding) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.spendLocked(a, from)
	c.held[to] = c.held[to].Plus(a)
}

// Return gives credits back: what they were spent on is durable, or was given up.
func (c *Credits) Return(a Amount, from Holding) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.spendLocked(a, from)
}

// spendLocked takes a away. More than there is would be a credit made of nothing: the caller's fault.
func (c *Credits) spendLocked(a Amount, from Holding) {
	left := c.held[from].Minus(a)
	if left.Rows < 0 || left.Bytes < 0 || left.Tokens < 0 {
		panic(fmt.Sprintf("backpressure: stage %s gives back %+v %s of %+v", c.name, a, from, c.held[from]))
	}
	c.held[from] = left
}

// Balance is where a stage's credits are.
type Balance struct {
	Stage                            string
	Granted                          Amount
	Free, Queued, InFlight, Retrying Amount
}

// Balances reads all stages at one moment. Of every one, granted is the sum of the other four (I9). What
// is free of the shared part is told with the first stage that has none of its own left, else with the
// first: it is there once.
func (p *Pool) Balances() []Balance {
	p.mu.Lock()
	defer p.mu.Unlock()
	reserve := p.reserveLocked()
	all := make([]Balance, len(p.stages))
	shown := 0
	for i, s := range p.stages {
		used := s.usedLocked()
		all[i] = Balance{Stage: s.name, Free: reserve.above(used), Queued: s.held[Queued], InFlight: s.held[InFlight], Retrying: s.held[Retrying]}
		all[i].Granted = all[i].Free.Plus(used)
		if shown == 0 && all[i].Free == (Amount{}) {
			shown = i
		}
	}
	if len(all) > 0 {
		shared := p.sharedLocked()
		all[shown].Free, all[shown].Granted = all[shown].Free.Plus(shared), all[shown].Granted.Plus(shared)
	}
	return all
}
