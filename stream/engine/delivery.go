package engine

import (
	"bytes"
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
	held     int64 // bytes of parcels whose effects are kept in memory
	done     []parcel
	applied  uint64 // newest epoch that the target holds
	problem  error
	since    time.Time
	rejected []sinkRejection
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
	data  [][]byte // nil: to be read from the store
}

// sinkRejection is a row that the target will never take.
type sinkRejection struct {
	input   int
	owner   cdc.Key
	child   []byte
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
	return len(d.pending) == 0 && len(d.rejected) == 0
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

// run delivers until ctx ends or the target is lost to a newer generation.
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
		err := d.apply(ctx, batch)
		switch {
		case err == nil:
			backoff = 0
			d.finish(batch, nil)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, stream.ErrFenced), statestore.IsCorrupt(err):
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

func (d *delivery) hinder(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.problem == nil {
		d.since = time.Now()
		d.log.Warn("sink does not take rows; they wait", "sink", d.target.name, "err", err)
	}
	d.problem = err
}

// next is the range of epochs for one Apply.
func (d *delivery) next() []parcel {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(d.pending) && (n == 0 || size+d.pending[n].size <= d.limit) {
		size += d.pending[n].size
		n++
	}
	return d.pending[:n:n]
}

func (d *delivery) finish(batch []parcel, rejected []sinkRejection) {
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
	d.rejected = append(d.rejected, rejected...)
	if d.problem != nil {
		d.log.Info("sink takes rows again", "sink", d.target.name)
	}
	d.problem = nil
	d.wake()
}

// load reads the effects of the parcels where they are not in memory any more.
func (d *delivery) load(batch []parcel) ([][]byte, error) {
	var data [][]byte
	for i := range batch {
		p := &batch[i]
		if p.data != nil {
			data = append(data, p.data...)
			continue
		}
		for part := range p.keys {
			value, ok, err := d.db.State.Get(outboxKey(d.target.instance, p.epoch, uint32(part)))
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, fmt.Errorf("read outbox of epoch %d: part %d is gone", p.epoch, part)
			}
			data = append(data, value)
		}
	}
	return data, nil
}

// placed is one effect with the epoch that it belongs to.
type placed struct {
	effect
	key   cdc.Key // nil: not sent
	epoch uint64
	tried bool // the first effect of the key may have reached the target
}

// apply coalesces the effects of a range of epochs, the last one of a key being the one that counts,
// and gives them to the writer.
func (d *delivery) apply(ctx context.Context, batch []parcel) error {
	var all []placed
	at := map[string]int{}
	for i := range batch {
		data, err := d.load(batch[i : i+1])
		if err != nil {
			return err
		}
		for _, b := range data {
			r := reader{b: b}
			for len(r.b) > 0 {
				e, key := r.effect()
				if r.err != nil {
					return fmt.Errorf("read outbox of epoch %d: %w", batch[i].epoch, r.err)
				}
				p := placed{effect: e, key: key, epoch: batch[i].epoch}
				if len(batch) == 1 {
					all = append(all, p)
					continue
				}
				k := string(append([]byte{byte(e.input)}, key...))
				p.tried = batch[i].tried
				if before, ok := at[k]; ok {
					p.was, p.tried = all[before].was, all[before].tried
					all[before].key = nil
					if !p.tried && p.vain(p.was) {
						p.key = nil
					}
				}
				at[k] = len(all)
				all = append(all, p)
			}
		}
	}
	d.mu.Lock()
	for i := range batch {
		batch[i].tried = true // batch is a part of d.pending
	}
	d.mu.Unlock()
	d.crash("sink.send")
	return d.write(ctx, batch, all)
}

// write applies effects; a row that the target refuses is left out, named, and the rest applied.
func (d *delivery) write(ctx context.Context, batch []parcel, all []placed) error {
	var refused []sinkRejection
	for {
		txn := d.txn(batch, all)
		err := d.writer.Apply(ctx, txn)
		var reject *stream.RejectError
		if !errors.As(err, &reject) {
			if err == nil {
				d.crash("sink.acked")
				d.count(all)
				if len(refused) > 0 {
					d.mu.Lock()
					d.rejected = append(d.rejected, refused...)
					d.mu.Unlock()
				}
			}
			return err
		}
		key := reject.Key
		if key == nil {
			if key, err = d.bisect(ctx, batch, all); err != nil {
				return err
			}
		}
		code := reject.Code
		if code == "" {
			code = "sink_rejected"
		}
		before := len(refused)
		for i := range all {
			if p := &all[i]; p.key != nil && bytes.Equal(p.key, key) {
				refused = append(refused, sinkRejection{input: p.input, owner: bytes.Clone(p.owner), child: bytes.Clone(p.child),
					code: code, message: reject.Error()})
				p.key = nil
			}
		}
		if len(refused) == before {
			return fmt.Errorf("apply to %s: it refuses a row that was not sent: %w", d.target.name, reject)
		}
	}
}

// bisect finds one row that the target refuses, for targets that do not say which.
func (d *delivery) bisect(ctx context.Context, batch []parcel, all []placed) (cdc.Key, error) {
	var live []placed
	for _, p := range all {
		if p.key != nil {
			live = append(live, p)
		}
	}
	for len(live) > 1 {
		half := live[:len(live)/2]
		err := d.writer.Apply(ctx, d.txn(batch[:0], half))
		var reject *stream.RejectError
		switch {
		case errors.As(err, &reject):
			live = half
		case err != nil:
			return nil, err
		default:
			live = live[len(half):]
		}
	}
	if len(live) == 0 {
		return nil, fmt.Errorf("apply to %s: it refuses an empty range", d.target.name)
	}
	return live[0].key, nil
}

// txn presents effects to a writer, with results in place of references. A range without parcels does
// not move the target's progress.
func (d *delivery) txn(batch []parcel, all []placed) *stream.Txn {
	t := &stream.Txn{Generation: d.generation}
	if len(batch) > 0 {
		t.First, t.Last = batch[0].epoch, batch[len(batch)-1].epoch
	}
	for i := range all {
		if all[i].key != nil {
			t.Count++
			t.Bytes += int64(len(all[i].row) + len(all[i].key))
		}
	}
	t.Effects = d.effects(all)
	return t
}

func (d *delivery) effects(all []placed) iter.Seq2[stream.Effect, error] {
	return func(yield func(stream.Effect, error) bool) {
		var resolved, value []byte
		var origin cdc.Position
		input, written := -1, ""
		var builder cdc.RowBuilder
		for i := range all {
			p := &all[i]
			if p.key == nil {
				continue
			}
			e := stream.Effect{Delete: p.remove, Collection: p.input, Key: p.key, Row: p.row,
				Version: d.generation<<40 | p.epoch, Time: p.time}
			if p.origin != origin || p.input != input {
				origin, input, written = p.origin, p.input, d.positions[p.input](p.origin)
			}
			e.Source = written
			if !p.remove && refers(p.row) {
				var err error
				if resolved, value, err = d.resolve(&builder, resolved[:0], value, p.row); err != nil {
					yield(e, err)
					return
				}
				e.Row = cdc.Row(resolved)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// refers reports whether a row has a field whose value lies in the memo.
func refers(row cdc.Row) bool {
	for i := range row.Len() {
		if row.At(i).State == cdc.Reference {
			return true
		}
	}
	return false
}

// resolve replaces references by the results that they stand for.
func (d *delivery) resolve(b *cdc.RowBuilder, dst, value []byte, row cdc.Row) ([]byte, []byte, error) {
	b.Reset()
	for i := range row.Len() {
		v := row.At(i)
		if v.State == cdc.Reference {
			var ok bool
			var err error
			call := stream.Fingerprint(v.Raw)
			if value, ok, err = d.memo.get(value[:0], call); err != nil || !ok {
				return dst, value, missingResult(d.target.name, call, err)
			}
			v = cdc.Value{State: cdc.Set, Raw: value}
		}
		b.Value(v)
	}
	return b.Append(dst), value, nil
}

// count books what was applied and how long it took from the source's commit.
func (d *delivery) count(all []placed) {
	now := time.Now().UnixMicro()
	for i := range all {
		p := &all[i]
		if p.key == nil {
			continue
		}
		if p.remove {
			d.deletes.Add(1)
		} else {
			d.upserts.Add(1)
		}
		if p.time > 0 {
			d.latency.add(now - p.time)
			if d.observe != nil {
				d.observe(float64(now-p.time) / 1e6)
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
