package statestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A sweep removes memo entries that nothing has referred to for a grace time. It has two steps, so
// that the loop that commits epochs can run it between two of them and nothing can cross:
//
//  1. [DB.PlanSweep], while no evaluation runs: what nothing refers to gets a stamp "dead since",
//     what is referred to again loses it, and what has been dead for the grace time is condemned:
//     a miss from now on, so that no later epoch can come to refer to it. The stamps go into the
//     batch of the next epoch.
//  2. [DB.FinishSweep], once that epoch is durable: what is still condemned is deleted. Before, a
//     crash would bring back an older state, which may refer to it.
//
// A crash between the steps deletes nothing. A Put of a condemned entry pardons it.

// SweepOptions says what a sweep may remove.
type SweepOptions struct {
	// From is where this plan begins: zero, then Next of the plan before.
	From Fingerprint
	// Live calls mark for every fingerprint in [from, to], both included, that the state or
	// anything in flight refers to, in any order and as often as it likes. An error, such as that
	// of a scan that was cut short, makes the plan fail and nothing is removed (I10).
	Live func(ctx context.Context, from, to Fingerprint, mark func(Fingerprint)) error
	// Now is the time that stamps are written and compared with.
	Now time.Time
	// Grace is how long an entry is kept without a reference; zero is seven days.
	Grace time.Duration
	// Entries bounds the memo entries that one plan looks at, and so its memory, about 40 bytes
	// each with the batch; zero is 262144.
	Entries int
}

const (
	defaultGrace        = 7 * 24 * time.Hour
	defaultSweepEntries = 1 << 18
	// deletesAtOnce bounds how long readers of the memo wait for a delete.
	deletesAtOnce = 4096
)

// SweepStats counts what a sweep found and did.
type SweepStats struct {
	Entries   int   // memo entries looked at
	Bytes     int64 // of their values
	Live      int   // entries that are referred to
	Stamped   int   // entries newly without a reference
	Reprieved int   // entries referred to again
	Condemned int   // entries whose grace has passed
	Deleted   int   // condemned entries that are gone
	// Dangling counts references to entries that are not there: their results were lost and are
	// computed again.
	Dangling int
}

// SweepPlan is the first step of a sweep over a range of the memo.
type SweepPlan struct {
	Stats SweepStats
	Epoch uint64      // the epoch that must be durable before the plan is finished
	Next  Fingerprint // where the next plan begins, unless Done
	Done  bool        // the plan reached the end of the memo

	condemned []Fingerprint
}

var errSweepOpen = errors.New("plan sweep: the plan before is neither finished nor abandoned")

// PlanSweep is the first step: it adds its stamps to b, which the caller commits as the given epoch.
// On an error b is as it was and nothing is condemned. There is one plan at a time.
func (db *DB) PlanSweep(ctx context.Context, b *Batch, epoch uint64, o SweepOptions) (*SweepPlan, error) {
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Entries == 0 {
		o.Entries = defaultSweepEntries
	}
	if db.Memo.sweepOpen() {
		return nil, errSweepOpen
	}
	r, err := db.markRange(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("plan sweep: %w", err)
	}
	plan := &SweepPlan{Epoch: epoch, Next: r.next, Done: r.done, Stats: r.stats}
	r.judge(b, plan, o)
	db.Memo.condemn(plan)
	return plan, nil
}

// sweepRange is what a plan knows about a range of the memo: entries and stamps in order.
type sweepRange struct {
	from, next Fingerprint
	done       bool
	entries    []Fingerprint
	live       []bool
	stamps     []stamp
	stats      SweepStats
}

type stamp struct {
	fp    Fingerprint
	since int64 // Unix time in milliseconds
}

func (db *DB) markRange(ctx context.Context, o SweepOptions) (*sweepRange, error) {
	r := &sweepRange{from: o.From, done: true}
	err := db.Memo.store.Scan(o.From[:], nil, func(key, value []byte) error {
		if len(key) != len(Fingerprint{}) {
			return &CorruptError{File: db.Memo.store.Dir(), Err: fmt.Errorf("key of %d bytes", len(key))}
		}
		if len(r.entries) == o.Entries {
			r.next, r.done = Fingerprint(key), false
			return ErrStop
		}
		r.entries = append(r.entries, Fingerprint(key))
		r.stats.Bytes += int64(len(value))
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	if err := db.readStamps(r); err != nil {
		return nil, err
	}
	r.live = make([]bool, len(r.entries))
	err = o.Live(ctx, r.from, r.last(), func(fp Fingerprint) {
		if i, ok := slices.BinarySearchFunc(r.entries, fp, Fingerprint.Compare); ok {
			r.live[i] = true
		} else if fp.Compare(r.from) >= 0 && fp.Compare(r.last()) <= 0 {
			r.stats.Dangling++
		}
	})
	if err != nil {
		return nil, fmt.Errorf("mark live entries: %w", err)
	}
	return r, ctx.Err()
}

// last returns the last fingerprint of the range: one below next, or the greatest there is.
func (r *sweepRange) last() Fingerprint {
	last := r.next
	for i := len(last) - 1; i >= 0; i-- {
		last[i]--
		if last[i] != 0xff {
			break
		}
	}
	return last // next is zero when the range is the last one, so this wraps to the greatest
}

func stampKey(fp Fingerprint) []byte {
	return AppendKey(nil, Key{Space: SpaceMemoDead, Owner: fp[:]})
}

func (db *DB) readStamps(r *sweepRange) error {
	from := stampKey(r.from)
	_, to := SpanOfInstance(0, SpaceMemoDead, 0)
	if !r.done {
		to = stampKey(r.next)
	}
	return db.State.Scan(from, to, func(key, value []byte) error {
		k, err := ParseKey(key)
		if err != nil || len(k.Owner) != len(Fingerprint{}) || len(value) != 8 {
			return &CorruptError{File: db.State.Dir(), Err: fmt.Errorf("stamp %x of a memo entry", key)}
		}
		r.stamps = append(r.stamps, stamp{Fingerprint(k.Owner), int64(binary.BigEndian.Uint64(value))})
		return nil
	})
}

// judge goes through entries and stamps side by side.
func (r *sweepRange) judge(b *Batch, plan *SweepPlan, o SweepOptions) {
	now := o.Now.UnixMilli()
	put := func(fp Fingerprint) { b.Put(stampKey(fp), binary.BigEndian.AppendUint64(nil, uint64(now))) }
	stamps := r.stamps
	for i, fp := range r.entries {
		for len(stamps) > 0 && stamps[0].fp.Compare(fp) < 0 {
			b.Delete(stampKey(stamps[0].fp)) // its entry is gone
			stamps = stamps[1:]
		}
		stamped := len(stamps) > 0 && stamps[0].fp == fp
		var since int64
		if stamped {
			since, stamps = stamps[0].since, stamps[1:]
		}
		plan.Stats.Entries++
		switch {
		case r.live[i]:
			plan.Stats.Live++
			if stamped {
				plan.Stats.Reprieved++
				b.Delete(stampKey(fp))
			}
		case !stamped:
			plan.Stats.Stamped++
			put(fp)
		case since > now: // the clock went back
			put(fp)
		case now-since >= o.Grace.Milliseconds():
			// Without its stamp, an entry that the crash of the next moment keeps, or that a Put
			// brings back, has a whole grace time again.
			b.Delete(stampKey(fp))
			plan.condemned = append(plan.condemned, fp)
		}
	}
	for _, s := range stamps {
		b.Delete(stampKey(s.fp))
	}
	plan.Stats.Condemned = len(plan.condemned)
}

func (m *Memo) sweepOpen() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sweep != nil
}

func (m *Memo) condemn(plan *SweepPlan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep = plan
	for _, fp := range plan.condemned {
		m.condemned[fp] = struct{}{}
	}
}

// FinishSweep is the second step: it deletes what the plan condemned and nobody pardoned, and
// returns the counts of both steps. It refuses while the plan's epoch is not durable. After an
// error, a cancelled ctx included, it may be called again.
func (db *DB) FinishSweep(ctx context.Context, plan *SweepPlan) (SweepStats, error) {
	// I2: an epoch that a crash can still undo has not let go of anything.
	if durable := db.DurableEpoch(); durable < plan.Epoch {
		return plan.Stats, fmt.Errorf("finish sweep: epoch %d is not durable, %d is", plan.Epoch, durable)
	}
	for len(plan.condemned) > 0 {
		if err := ctx.Err(); err != nil {
			return plan.Stats, fmt.Errorf("finish sweep: %w", err)
		}
		n := min(len(plan.condemned), deletesAtOnce)
		deleted, err := db.Memo.deleteCondemned(plan.condemned[:n])
		if err != nil {
			return plan.Stats, fmt.Errorf("finish sweep: %w", err)
		}
		plan.condemned = plan.condemned[n:]
		plan.Stats.Deleted += deleted
	}
	db.Memo.endSweep(plan)
	return plan.Stats, nil
}

// AbandonSweep gives up a plan whose epoch was not committed: the condemned are hits again.
func (db *DB) AbandonSweep(plan *SweepPlan) { db.Memo.endSweep(plan) }

// deleteCondemned deletes those of fps that are still condemned. It does not sync: an entry that a
// crash brings back is as good as it was.
func (m *Memo) deleteCondemned(fps []Fingerprint) (deleted int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.store.NewBatch()
	for _, fp := range fps {
		if m.isCondemned(fp) {
			b.Delete(fp[:])
		}
	}
	deleted = b.Count()
	if err := m.store.Commit(b, false); err != nil {
		return 0, err
	}
	for _, fp := range fps {
		delete(m.condemned, fp)
	}
	return deleted, nil
}

func (m *Memo) endSweep(plan *SweepPlan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sweep != plan {
		return
	}
	m.sweep = nil
	clear(m.condemned)
}
