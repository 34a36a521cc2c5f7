package vector

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Upsert is a row to be written. The index copies what it keeps.
type Upsert struct {
	Key []byte // at least one byte
	// Version grows with each write of a key. A version that is not above the one that the index holds, or held when
	// the row was deleted, changes nothing (I3): key and version together name one content.
	Version uint64
	Vector  []float32
	Payload []byte // returned by searches
	// Terms are names that Query.Terms can ask for, such as "lang\x00en".
	Terms [][]byte
}

// Delete is a row to be removed. Its version works as that of an Upsert; the key need not exist.
type Delete struct {
	Key     []byte
	Version uint64
}

// Txn is what becomes durable and visible together: one epoch of the engine, or several coalesced under the number
// of the last. Where a key occurs more than once the highest version counts; at the same version an upsert counts
// before a delete, and a later upsert before an earlier one.
type Txn struct {
	// Generation and Epoch order transactions. One that is not above the last applied changes nothing, whatever it
	// holds; a generation below the fence is a [FencedError].
	Generation, Epoch uint64
	Upserts           []Upsert
	Deletes           []Delete
	Progress          []byte // kept with the transaction, for the caller's own use
	Shown             func() // called when readers see it; may be nil
}

// change is one effect of a transaction on its way into the index.
type change struct {
	record
	key  string
	tag  uint32     // hash of key
	part *partition // for which list was found
	list int
	at   slot // of the live row, if there is one
	has  bool // whether there is
}

// intake gathers the changes of a transaction. Of a vector it keeps the codes alone, so that whoever hands a transaction
// over in parts need not hold its vectors.
type intake struct {
	x       *Index
	list    []change
	refused RowErrors
}

// remove takes a delete.
func (in *intake) remove(key []byte, version uint64) {
	in.list = append(in.list, change{key: string(key), record: record{version: version}})
	in.check(len(in.list)-1, nil)
}

// put encodes rows and takes them. Their keys and vectors may be written over afterwards.
func (in *intake) put(ctx context.Context, rows []Upsert) error {
	from, errs := len(in.list), make([]error, len(rows))
	in.list = slices.Grow(in.list, len(rows))[:from+len(rows)]
	if err := in.x.encodeAll(ctx, rows, in.list[from:], errs); err != nil {
		return err
	}
	for i, err := range errs {
		in.check(from+i, err)
	}
	return nil
}

// check completes a change, or notes why its row is refused.
func (in *intake) check(i int, err error) {
	c := &in.list[i]
	if c.key == "" {
		err = ErrNoKey
	}
	if err != nil {
		in.refused = append(in.refused, &RowError{Key: []byte(c.key), Err: err})
	}
	c.tag = hashKey(c.key)
}

// changes gives one change for each key, in order of keys.
func (in *intake) changes() ([]change, error) {
	if in.refused != nil {
		return nil, in.refused
	}
	list := in.list
	slices.SortStableFunc(list, func(a, b change) int { // the last of those of a key counts
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		if c := cmp.Compare(a.version, b.version); c != 0 || a.live == b.live {
			return c
		}
		if a.live {
			return 1
		}
		return -1
	})
	n := 0
	for i := range list {
		if i+1 < len(list) && list[i+1].key == list[i].key {
			continue
		}
		list[n] = list[i]
		n++
	}
	return list[:n], nil
}

// encodeShare is how many rows are worth a goroutine: each takes some ten microseconds.
const encodeShare = 16

// encodeAll encodes the rows on all cores and waits for it.
func (x *Index) encodeAll(ctx context.Context, rows []Upsert, out []change, errs []error) error {
	size := x.enc.codeBytes()
	codes := make([]byte, len(rows)*size)
	part := x.now().layout.newest()
	encode := func(from, to int) {
		scratch := make([]float32, 0, x.enc.dims)
		var assign assignScratch
		for i := from; i < to && ctx.Err() == nil; i++ {
			r := &rows[i]
			c := change{key: string(r.Key), part: part}
			c.live, c.version, c.payload, c.terms = true, r.Version, r.Payload, encodeTerms(nil, r.Terms)
			if c.row, errs[i] = x.enc.encode(r.Vector, codes[i*size:][:size:size], scratch); errs[i] == nil {
				c.list = part.nearest(x.enc, c.row, &assign)
			}
			out[i] = c
		}
	}
	workers := min(runtime.GOMAXPROCS(0), len(rows)/encodeShare)
	if workers < 2 {
		encode(0, len(rows))
	} else {
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() { encode(w*len(rows)/workers, (w+1)*len(rows)/workers) })
		}
		wg.Wait()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("apply to vector index: %w", err)
	}
	return nil
}
