package vector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// maintenanceEvery is how long Run rests between two looks at what is due.
const maintenanceEvery = time.Second

// Run keeps the index in shape until the context ends, and then returns nil: it calls [Index.Maintain] now and then.
// Searches go on undisturbed; writes wait for a millisecond at a time.
func (x *Index) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := x.Maintain(ctx); err != nil {
			if ctx.Err() != nil || errors.Is(err, ErrClosed) {
				return nil
			}
			return err
		}
		timer.Reset(maintenanceEvery)
	}
}

// Maintain does all maintenance that is due and returns when nothing is: it sweeps tombstones, writes the codes
// snapshot, partitions a large index, splits and merges lists, and measures recall to tune searches. It may be called
// at any time; what it changes, no search can tell. It ends early, with what is done so far, when ctx ends.
func (x *Index) Maintain(ctx context.Context) error {
	x.maintenance.Lock()
	defer x.maintenance.Unlock()
	for _, step := range []func(context.Context) error{
		x.sweepTombstones, x.partition, x.drain, x.balance, x.retune, x.snapshot,
	} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("maintain vector index: %w", err)
		}
		if err := step(ctx); err != nil {
			return fmt.Errorf("maintain vector index: %w", err)
		}
	}
	return nil
}

// locked calls fn as the writer, unless the index takes no writes.
func (x *Index) locked(fn func() error) error {
	x.writer.Lock()
	defer x.writer.Unlock()
	if err := x.writable(); err != nil {
		return err
	}
	return fn()
}

// snapshot writes the codes snapshot when opening without one would take long.
func (x *Index) snapshot(ctx context.Context) error {
	var v *View
	var changed uint64
	err := x.locked(func() error {
		if x.snapshotDue(tailRunning) {
			v, changed = x.view(false), x.changed
		}
		return nil
	})
	if err != nil || v == nil {
		return err
	}
	defer v.Close()
	if err := x.writeSnapshot(ctx, v); err != nil {
		return fmt.Errorf("write codes snapshot: %w", err)
	}
	return x.locked(func() error { return x.cutLog(v.state.progress.sequence, changed) })
}

// sweepShare is how many transactions' tombstones are swept in one commit.
const sweepShare = 64

var errShare = errors.New("share is full")

// sweepTombstones forgets deletions that no late replay can concern any more.
func (x *Index) sweepTombstones(ctx context.Context) error {
	for ctx.Err() == nil {
		more := false
		err := x.locked(func() (err error) {
			more, err = x.sweepShare()
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

func (x *Index) sweepShare() (more bool, err error) {
	p := x.progress
	if p.tombstones == 0 || p.sequence <= x.opts.TombstoneTxns || p.sequence-x.opts.TombstoneTxns <= p.graveFrom {
		return false, nil
	}
	until := p.sequence - x.opts.TombstoneTxns
	b := x.store.NewBatch()
	n, next := 0, until
	err = x.store.Scan(sequenceKey(graveTable, p.graveFrom), sequenceKey(graveTable, until), func(key, list []byte) error {
		if n++; n > sweepShare {
			next = binary.BigEndian.Uint64(key[1:])
			return errShare
		}
		b.Delete(append([]byte(nil), key...))
		return x.eachGrave(list, func(row []byte) {
			b.Delete(row)
			p.tombstones--
		})
	})
	if more = errors.Is(err, errShare); err != nil && !more {
		return false, fmt.Errorf("sweep tombstones: %w", err)
	}
	p.graveFrom = next
	b.Put(progressKey, p.encode())
	if err := x.store.Commit(b, true); err != nil {
		x.failed = err
		return false, fmt.Errorf("sweep tombstones: %w", err)
	}
	x.progress = p
	return more, nil
}

// eachGrave calls fn with the truth's key of each row in list that is still deleted at the version listed.
func (x *Index) eachGrave(list []byte, fn func(row []byte)) error {
	for len(list) > 0 {
		key, rest, err := cutKeyed(list)
		if err != nil || len(rest) < 8 {
			return x.corrupt("read list of tombstones", errMalformedRecord)
		}
		version := binary.BigEndian.Uint64(rest)
		list = rest[8:]
		row := rowKey(nil, string(key))
		value, ok, err := x.store.Get(row)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		r, err := decodeRecord(value, x.enc.codeBytes())
		if err != nil {
			return x.corrupt("read tombstone", fmt.Errorf("row %q: %w", key, err))
		}
		if !r.live && r.version == version {
			fn(row)
		}
	}
	return nil
}
