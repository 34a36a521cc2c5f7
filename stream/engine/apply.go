package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// placed is one effect with the epoch that it belongs to.
type placed struct {
	effect
	key   cdc.Key
	epoch uint64
	tried bool // the first effect of the key may have reached the target
	vain  bool // a later effect has taken its place, or nothing is left of it
}

// effects yields what parcels hold, in order. It may be ranged over more than once.
type effects iter.Seq2[*placed, error]

// errRefused says that the target refused rows for good: everything else of the range is applied, and
// the range is applied once more, with its progress, when the rejections are durable.
var errRefused = errors.New("the target refuses rows")

// apply gives the effects of a range of epochs to the writer. A range that fits into memory is read once, and
// coalesced: the last effect of a key is the one that counts. A larger one, which only a sealed range or a single epoch
// can be, is read as often as it is looked at.
func (d *delivery) apply(ctx context.Context, batch []parcel) error {
	size, count := int64(0), 0
	for i := range batch {
		size, count = size+batch[i].size, count+batch[i].count
	}
	all := d.read(batch)
	if size <= 4*d.limit && (len(batch) > 1 || size <= heldMax) {
		held, err := collect(all, count)
		if err != nil {
			return err
		}
		if len(batch) > 1 {
			d.coalesce(held)
		}
		all = standing(held)
	}
	d.mu.Lock()
	for i := range batch {
		d.pending[i].tried = true // not batch's: a post may have moved the queue since
	}
	d.mu.Unlock()
	d.crash("sink.send")
	return d.write(ctx, batch, all)
}

// read yields the effects of parcels as they lie in the outbox, each until the next one.
func (d *delivery) read(batch []parcel) effects {
	return func(yield func(*placed, error) bool) {
		var p placed
		for i := range batch {
			for b, err := range d.parts(&batch[i]) {
				if err != nil {
					yield(nil, err)
					return
				}
				r := reader{b: b}
				for len(r.b) > 0 {
					e, key := r.effect()
					if r.err != nil {
						yield(nil, fmt.Errorf("read outbox of epoch %d: %w", batch[i].epoch, r.err))
						return
					}
					p = placed{effect: e, key: key, epoch: batch[i].epoch, tried: batch[i].tried}
					if !yield(&p, nil) {
						return
					}
				}
			}
		}
	}
}

func effectKey(p *placed) string { return string(append([]byte{byte(p.input)}, p.key...)) }

// collect takes effects into memory; about how many there are is known, but not after a start.
func collect(from effects, about int) ([]placed, error) {
	all := make([]placed, 0, about)
	for p, err := range from {
		if err != nil {
			return nil, err
		}
		all = append(all, *p)
	}
	return all, nil
}

// coalesce leaves the last effect of each key, and none where the row ends as the target has it.
func (d *delivery) coalesce(all []placed) {
	at := make(map[string]int, len(all))
	for i := range all {
		p := &all[i]
		k := effectKey(p)
		if last, ok := at[k]; ok {
			before := &all[last]
			before.vain = true
			p.was, p.tried = before.was, before.tried
			p.vain = !p.tried && p.leaves(d.target, p.was)
		}
		at[k] = i
	}
}

// standing yields the effects that are not in vain.
func standing(all []placed) effects {
	return func(yield func(*placed, error) bool) {
		for i := range all {
			if !all[i].vain && !yield(&all[i], nil) {
				return
			}
		}
	}
}

// write applies effects; a row that the target refuses is left out, named, and the rest applied.
func (d *delivery) write(ctx context.Context, batch []parcel, all effects) error {
	refused := d.skip
	var rejected []sinkRejection
	for {
		progress := batch
		if len(rejected) > 0 {
			progress = batch[:0]
		}
		txn, err := d.txn(progress, all, refused)
		if err != nil {
			return err
		}
		var shown time.Time
		txn.Shown = func() { shown = time.Now() }
		err = d.writer.Apply(ctx, txn)
		var reject *stream.RejectError
		if !errors.As(err, &reject) {
			if err != nil {
				return err
			}
			if len(rejected) == 0 {
				if shown.IsZero() {
					shown = time.Now()
				}
				d.crash("sink.acked")
				return d.count(all, refused, shown.UnixMicro())
			}
			d.refuse(rejected, refused)
			return errRefused
		}
		key := reject.Key
		if key == nil {
			if key, err = d.bisect(ctx, all, refused); err != nil {
				return err
			}
		}
		if refused == nil {
			refused = refusedKeys{}
		}
		n := len(rejected)
		if rejected, err = d.reject(rejected, all, refused, key, reject); err != nil {
			return err
		}
		if len(rejected) == n {
			return fmt.Errorf("apply to %s: it refuses a row that was not sent: %w", d.target.name, reject)
		}
	}
}

// reject finds the row that the target has refused and leaves it out.
func (d *delivery) reject(rejected []sinkRejection, all effects, refused refusedKeys, key cdc.Key, why *stream.RejectError) ([]sinkRejection, error) {
	code := why.Code
	if code == "" {
		code = "sink_rejected"
	}
	for p, err := range all {
		if err != nil {
			return rejected, err
		}
		if bytes.Equal(p.key, key) && !refused.skips(p) {
			refused[effectKey(p)] = p.epoch
			rejected = append(rejected, sinkRejection{input: p.input, owner: bytes.Clone(p.owner), child: bytes.Clone(p.child),
				row: bytes.Clone(p.row), code: code, message: why.Error()})
		}
	}
	return rejected, nil
}

// refusedKeys are the keys whose effects a target has refused, with the epoch of the effect: one of a
// later epoch, above all the removal of the row's old state (I6), is for the target to take.
type refusedKeys map[string]uint64

func (r refusedKeys) skips(p *placed) bool {
	if len(r) == 0 {
		return false
	}
	epoch, ok := r[effectKey(p)]
	return ok && p.epoch <= epoch
}

// refuse hands rejections to the loop; nothing more is sent until they are durable.
func (d *delivery) refuse(rejected []sinkRejection, refused refusedKeys) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rejected = append(d.rejected, rejected...)
	d.skip, d.awaiting = refused, true
	d.wake()
}

// bisect finds one row that the target refuses, for targets that do not say which.
func (d *delivery) bisect(ctx context.Context, all effects, refused refusedKeys) (cdc.Key, error) {
	var live []placed
	for p, err := range all {
		if err != nil {
			return nil, err
		}
		if !refused.skips(p) {
			live = append(live, *p)
		}
	}
	for len(live) > 1 {
		half := live[:len(live)/2]
		txn, err := d.txn(nil, standing(half), nil)
		if err == nil {
			err = d.writer.Apply(ctx, txn)
		}
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
func (d *delivery) txn(batch []parcel, all effects, refused refusedKeys) (*stream.Txn, error) {
	t := &stream.Txn{Generation: d.generation}
	if len(batch) > 0 {
		t.First, t.Last = batch[0].epoch, batch[len(batch)-1].epoch
	}
	for p, err := range all {
		if err != nil {
			return nil, err
		}
		t.Count++
		t.Bytes += int64(len(p.row) + len(p.key))
	}
	t.Effects = d.present(all, refused)
	return t, nil
}

// present turns effects into what a writer sees.
func (d *delivery) present(all effects, refused refusedKeys) iter.Seq2[stream.Effect, error] {
	return func(yield func(stream.Effect, error) bool) {
		var resolved, value []byte
		var origin cdc.Position
		input, written := -1, ""
		var builder cdc.RowBuilder
		for p, err := range all {
			if err != nil {
				yield(stream.Effect{}, err)
				return
			}
			if refused.skips(p) {
				continue
			}
			e := stream.Effect{Delete: p.remove, Collection: p.input, Key: p.key, Row: p.row,
				Version: d.generation<<40 | p.epoch, Time: p.time}
			if p.origin != origin || p.input != input {
				origin, input, written = p.origin, p.input, d.positions[p.input](p.origin)
			}
			e.Source = written
			if !p.remove && refers(p.row) {
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

// count books what was applied and how long it took from the source's commit until readers saw it.
func (d *delivery) count(all effects, refused refusedKeys, shown int64) error {
	for p, err := range all {
		if err != nil {
			return err
		}
		if refused.skips(p) {
			continue
		}
		if p.remove {
			d.deletes.Add(1)
		} else {
			d.upserts.Add(1)
		}
		if p.time > 0 {
			d.latency.add(shown - p.time)
			if d.observe != nil {
				d.observe(float64(shown-p.time) / 1e6)
			}
		}
	}
	return nil
}
