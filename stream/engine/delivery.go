package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// delivery carries the outbox of one target to its writer, whole epochs in order (I8). Its goroutine
// only ever sees durable epochs (I2). What it has delivered the loop removes from the store in a later
// epoch; after a crash it is delivered once more, which changes nothing (I3).
type delivery struct {
	target *target
	writer stream.Writer
	db     *statestore.DB
	memo   *answers
	log    *slog.Logger
	wake   func() // tells the loop; never blocks
	limit  int64  // bytes of one Apply, unless one epoch is larger
	crash  func(point string)

	generation uint64
	resultKeys [][]int                     // by input: columns of the row that may be references
	positions  []func(cdc.Position) string // by input: how a source position is written

	mu       sync.Mutex
	pending  []parcel // epochs with effects that are durable, oldest first
	bytes    int64
	held     int64        // bytes of parcels whose effects are kept in memory
	taking   atomic.Int64 // bytes that the writer is taking now
	done     []parcel
	applied  uint64 // newest epoch that the target holds
	sealed   uint64 // newest sealed range that is whole
	problem  error
	since    time.Time
	rejected []sinkRejection
	awaiting bool               // rejections are on their way into the state; nothing is sent until they are there
	skip     refusedKeys        // rows of the first parcels that the target has refused
	more     chan struct{}      // one place: that there is more, not how much
	stop     context.CancelFunc // ends the goroutines of this target alone

	rows, upserts, deletes atomic.Int64
	latency                *latency
	observe                func(seconds float64)
}

// parcel is one epoch's part of an outbox.
type parcel struct {
	epoch uint64
	keys  int   // number of outbox keys
	size  int64 // bytes
	count int
	tried bool     // the target may hold it already
	group uint64   // sealed with its neighbours until the last of them is there; 0: not
	data  [][]byte // nil: to be read from the store
}

// sinkRejection is a row that the target will never take.
type sinkRejection struct {
	input   int
	owner   cdc.Key
	child   []byte
	row     cdc.Row
	code    string
	message string
}

func outboxKey(instance uint32, epoch uint64, part uint32) []byte {
	var owner [8]byte
	var child [4]byte
	for i := range owner {
		owner[i] = byte(epoch >> (56 - 8*i))
	}
	for i := range child {
		child[i] = byte(part >> (24 - 8*i))
	}
	return statestore.AppendKey(nil, statestore.Key{VNode: vnode, Space: statestore.SpaceOutbox, Instance: instance, Owner: owner[:], Child: child[:]})
}

// heldMax bounds the effects that a delivery keeps in memory; beyond it they are read from the store.
const heldMax = 4 << 20

// post hands over an epoch that is durable.
func (d *delivery) post(p parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held+p.size > heldMax {
		p.data = nil
	} else {
		d.held += p.size
	}
	d.pending = append(d.pending, p)
	d.bytes += p.size
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// collect gives the parcels delivered since the last call, whose keys may go, and what was refused.
func (d *delivery) collect() ([]parcel, []sinkRejection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	done, rejected := d.done, d.rejected
	d.done, d.rejected = nil, nil
	return done, rejected
}

// idle reports whether everything posted has been applied.
func (d *delivery) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending) == 0
}

// acknowledge says that the rejections which were collected are durable.
func (d *delivery) acknowledge() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awaiting = false
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// settled reports whether the target holds all effects up to an epoch.
func (d *delivery) settled(epoch uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending) == 0 || d.pending[0].epoch > epoch
}

func (d *delivery) hindrance() (error, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.problem, d.since
}

func (d *delivery) queued() (bytes int64, count int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.pending {
		count += d.pending[i].count
	}
	return d.bytes, count
}

// run delivers until ctx ends, or the target is lost: to a newer generation, or to whoever has emptied it.
func (d *delivery) run(ctx context.Context) error {
	backoff := time.Duration(0)
	for {
		batch := d.next()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-d.more:
			}
			continue
		}
		d.begin(batch)
		err := d.apply(ctx, batch)
		d.taking.Store(0)
		switch {
		case err == nil:
			backoff = 0
			d.finish(batch)
		case errors.Is(err, errRefused):
			backoff = 0 // the loop has to know of it first: next gives nothing until then
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, stream.ErrFenced), errors.Is(err, stream.ErrLost), statestore.IsCorrupt(err):
			return fmt.Errorf("write sink %s: %w", d.target.name, err)
		default:
			backoff = min(max(2*backoff, 100*time.Millisecond), 5*time.Second)
			d.hinder(err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(backoff):
			}
		}
	}
}

// begin notes how much the writer is about to take.
func (d *delivery) begin(batch []parcel) {
	size := int64(0)
	for i := range batch {
		size += batch[i].size
	}
	d.taking.Store(size)
}

// takes is how many bytes the writer is taking now.
func (d *delivery) takes() int64 { return d.taking.Load() }

func (d *delivery) hinder(err error) {
	d.wake() // what waited for the writer need not now
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.problem == nil {
		d.since = time.Now()
		d.log.Warn("sink does not take rows; they wait", "sink", d.target.name, "err", complaint(err))
	}
	d.problem = err
}

// seal says that a sealed range is whole.
func (d *delivery) seal(group uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sealed = max(d.sealed, group)
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// next is the range of epochs for one Apply, in the order in which they were committed (I4): a sealed range goes alone, and whole
// (I11).
func (d *delivery) next() []parcel {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, size := 0, int64(0)
	if d.awaiting {
		return nil
	}
	if len(d.pending) > 0 && d.pending[0].group != 0 {
		group := d.pending[0].group
		if group > d.sealed {
			return nil
		}
		for n < len(d.pending) && d.pending[n].group == group {
			n++
		}
		return d.pending[:n:n]
	}
	for n < len(d.pending) && d.pending[n].group == 0 && (n == 0 || size+d.pending[n].size <= d.limit) {
		size += d.pending[n].size
		n++
	}
	return d.pending[:n:n]
}

func (d *delivery) finish(batch []parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		d.bytes -= batch[i].size
		if batch[i].data != nil {
			d.held -= batch[i].size
		}
	}
	d.applied = max(d.applied, batch[len(batch)-1].epoch)
	d.pending = d.pending[len(batch):]
	for _, p := range batch {
		p.data = nil
		d.done = append(d.done, p)
	}
	clear(d.skip)
	if d.problem != nil {
		d.log.Warn("sink takes rows again", "sink", d.target.name, "after", time.Since(d.since).Round(time.Millisecond)) // as loud as that it did not
	}
	d.problem = nil
	d.wake()
}

// parts yields the entries of a parcel. Those that are not in memory any more are read one by one: an epoch may be as large as
// all that a sink takes at once (I9).
func (d *delivery) parts(p *parcel) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, data := range p.data {
			if !yield(data, nil) {
				return
			}
		}
		if p.data != nil {
			return
		}
		for part := range p.keys {
			value, ok, err := d.db.State.Get(outboxKey(d.target.instance, p.epoch, uint32(part)))
			if err == nil && !ok {
				err = fmt.Errorf("read outbox of epoch %d: part %d is gone", p.epoch, part)
			}
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

func missingResult(where string, call stream.Fingerprint, err error) error {
	if err != nil {
		return fmt.Errorf("read result %s for %s: %w", call, where, err)
	}
	return fmt.Errorf("read result %s for %s: the memo lacks it: %w", call, where, statestore.ErrCorrupt)
}

// latency keeps the newest times from commit to ack, for percentiles.
type latency struct {
	mu   sync.Mutex
	ring [512]int64 // microseconds
	n    int
}

func (l *latency) add(us int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.n%len(l.ring)] = max(us, 0)
	l.n++
}
