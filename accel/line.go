package accel

import (
	"cmp"
	"slices"
)

const (
	// quantum is what a stage may send, in tokens, before the next one of its class has its turn.
	quantum = 1024
	// windowBudgets is how many requests' worth of waiting calls are looked at to find ones of like length,
	// and windowRows the most of them.
	windowBudgets = 16
	windowRows    = 8192
)

// line is the calls of one stage and class that wait for their first attempt, in the order in which they
// came. It is an intrusive list, so that a call is withdrawn from its midst at once. Where a model pads
// every text of a request to the longest, the first calls are a window, sorted by length, and requests are cut
// from it from the longest to the shortest, over and over: a window is gone through before a call that has
// come later can be longer than the next one. One that is overtaken all the same begins the next request.
type line struct {
	name       string
	class      *class
	head, tail *call
	deficit    int
	weight     int

	window []*call // the first calls of the line by length; empty where nothing is padded
	cursor int     // length of the call that was taken last: the next request begins below it
	passed int     // calls taken since the oldest one is the oldest
	widest int     // the window since then
	edge   *call   // the first call that is not in the window
	tokens int     // of the window
}

func (l *line) pushBack(c *call) {
	c.line, c.place, c.prev, c.next = l, inLine, l.tail, nil
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
	if l.edge == nil {
		l.edge = c
	}
	l.class.entered(l, c)
}

func (l *line) pushFront(c *call) {
	c.line, c.place, c.prev, c.next = l, inLine, nil, l.head
	if l.head == nil {
		l.tail = c
	} else {
		l.head.prev = c
	}
	l.head = c
	if l.class.padded {
		l.admit(c)
	} else {
		l.edge = c
	}
	l.class.entered(l, c)
}

func (l *line) remove(c *call) {
	if c.sorted {
		l.dismiss(c)
	}
	if l.edge == c {
		l.edge = c.next
	}
	if c.prev == nil {
		l.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.line, c.prev, c.next, c.place = nil, nil, nil, inFlight
	l.class.left(l, c)
}

// byLength orders a window; calls of one length are told apart by their fingerprints.
func byLength(a, b *call) int {
	return cmp.Or(cmp.Compare(a.tokens(), b.tokens()), slices.Compare(a.Fingerprint[:], b.Fingerprint[:]))
}

func (l *line) admit(c *call) {
	at, _ := slices.BinarySearchFunc(l.window, c, byLength)
	l.window = slices.Insert(l.window, at, c)
	l.tokens += c.tokens()
	c.sorted = true
}

func (l *line) dismiss(c *call) {
	at, _ := slices.BinarySearchFunc(l.window, c, byLength)
	l.window = slices.Delete(l.window, at, at+1)
	l.tokens -= c.tokens()
	c.sorted = false
}

// refill takes calls into the window until it holds enough to choose from.
func (l *line) refill(budget int) {
	for l.edge != nil && l.tokens < windowBudgets*budget && len(l.window) < windowRows {
		c := l.edge
		l.edge = c.next
		l.admit(c)
	}
	l.widest = max(l.widest, len(l.window))
}

// choose is the call of the window that has its turn: the longest of those that are no longer than the one
// taken last, else the longest of all. A request that has calls already takes none of those: it is nil.
func (l *line) choose(begun bool) *call {
	if !begun && l.passed > 2*l.widest {
		return l.head
	}
	at, _ := slices.BinarySearchFunc(l.window, l.cursor+1, func(c *call, t int) int { return cmp.Compare(c.tokens(), t) })
	switch {
	case at > 0:
		return l.window[at-1]
	case begun:
		return nil
	}
	return l.window[len(l.window)-1]
}

// class is the lines of the live calls, or of the rest. They take turns by deficit round robin: in the long
// run each has its share of the tokens, whatever the lengths of its texts are.
type class struct {
	padded  bool
	budget  int
	weights map[string]int
	lines   map[string]*line
	ring    []*line // those with calls, in the order of their turns
	count   int
	cost    int // tokens
}

func newClass(o *BatcherOptions) class {
	return class{padded: o.Padded, budget: o.Tokens, weights: o.Weights, lines: map[string]*line{}}
}

// of is the line of a stage.
func (s *class) of(stage string) *line {
	l := s.lines[stage]
	if l == nil {
		l = &line{name: stage, class: s, weight: max(1, s.weights[stage])}
		s.lines[stage] = l
	}
	return l
}

func (s *class) empty() bool { return s.count == 0 }

func (s *class) entered(l *line, c *call) {
	s.count++
	s.cost += c.tokens()
	if l.head == l.tail {
		l.deficit = 0
		s.ring = append(s.ring, l)
	}
}

func (s *class) left(l *line, c *call) {
	s.count--
	s.cost -= c.tokens()
	if l.head == nil {
		s.ring = slices.DeleteFunc(s.ring, func(x *line) bool { return x == l })
	}
}

// next is the call that has its turn; begun says that the request has calls already: then it may be nil. The
// class is not empty.
func (s *class) next(begun bool) *call {
	for {
		l := s.ring[0]
		c := l.head
		if s.padded {
			l.refill(s.budget)
			if c = l.choose(begun); c == nil {
				return nil
			}
		}
		if len(s.ring) == 1 || l.deficit >= c.tokens() {
			return c
		}
		l.deficit += quantum * l.weight
		if l.deficit < c.tokens() {
			s.ring = append(s.ring[1:], l)
		}
	}
}

// take removes the call that next has named. A line that has used up its share goes to the back.
func (s *class) take(c *call) {
	l := c.line
	l.cursor = c.tokens()
	if l.passed++; l.head == c {
		l.passed, l.widest = 0, 0
	}
	l.remove(c)
	if len(s.ring) < 2 || s.ring[0] != l {
		l.deficit = 0
		return
	}
	l.deficit -= c.tokens()
	if l.deficit <= 0 || l.deficit < l.head.tokens() {
		s.ring = append(s.ring[1:], l)
	}
}
