package engine

import (
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// output is what an evaluator's evaluations add to the epoch.
type output struct {
	puts       []write
	arena      arena
	effects    [][]byte // encoded, by target
	cuts       [][]int  // where an entry of the outbox ends in them, by target
	count      []int    // effects, by target
	held       []hold
	letters    []letter
	cleared    []letterKey
	shared     []contribution
	dirty      []dirty
	changes    []ChangeEvent
	tapped     []tapped
	memo       []memoWrite
	remembered int         // bytes of its values
	stats      []stepStats // by expensive step
	rows       []int64     // rows in, by step
	upserts    []int64     // by target
	deletes    []int64
	added      []int64 // change of the number of rows, by target
	again      []*task // owners that have to be evaluated once more
	unchanged  int64

	lettersBy map[uint32]int64 // change of their number, by instance of what rejects
	owners    []int64          // change of the number of rows that a source holds, by root
}

// write is one record to be written; a nil value deletes it.
type write struct {
	root  *root
	key   cdc.Key
	value []byte
	hash  rowHash
	same  bool // the row is retained or remembered: its hash may shortcut the next change
}

// hold says which calls an owner waits for at one expensive step; none: it waits no more.
type hold struct {
	root   *root
	key    cdc.Key
	node   *callNode
	wants  []want
	live   bool
	origin cdc.Position
	time   int64
	since  int64 // when the hold began, microseconds
	again  bool  // it waits for its own next evaluation
}

// want is a call that is not answered yet.
type want struct {
	call  stream.Fingerprint
	input []byte
}

type memoWrite struct {
	call  stream.Fingerprint
	value []byte
}

type stepStats struct{ calls, hits, rejected int64 }

// brought is how much an evaluator has added to an epoch.
type brought struct {
	puts    int
	effects []int // bytes, by target
}

func (o *output) brought() brought {
	b := brought{puts: len(o.puts)}
	for _, data := range o.effects {
		b.effects = append(b.effects, len(data))
	}
	return b
}

// expect makes room for about as much as the epoch before has brought, if this one has as many owners; most bounds the
// bytes for a target, since the owners of this one may be small (I9).
func (o *output) expect(before brought, owners, most int) {
	if before.puts == 0 {
		return
	}
	o.puts = make([]write, 0, owners)
	for t, bytes := range before.effects {
		o.effects[t] = make([]byte, 0, min(bytes/before.puts*owners*9/8, most))
	}
}

// arena hands out slices of larger blocks that live as long as the epoch.
type arena struct{ block []byte }

func (a *arena) encode(r *record) []byte {
	start := len(a.block)
	if cap(a.block)-start < 512 {
		a.block, start = make([]byte, 0, max(64<<10, len(r.row)+4096)), 0
	}
	out := r.append(a.block[start:start:cap(a.block)])
	if cap(out) == cap(a.block)-start {
		a.block = a.block[:start+len(out)]
	}
	return out[:len(out):len(out)]
}

func (a *arena) copy(b []byte) []byte {
	if cap(a.block)-len(a.block) < len(b) {
		a.block = make([]byte, 0, max(64<<10, len(b)))
	}
	start := len(a.block)
	a.block = append(a.block, b...)
	return a.block[start:len(a.block):len(a.block)]
}
