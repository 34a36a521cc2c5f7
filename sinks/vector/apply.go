package vector

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/freshet/freshet/statestore"
)

// Apply makes a transaction visible and durable. When it returns without error both hold: rows and progress
// went to disk in one synced batch (I2), and readers went from the state before to the state after in one step (I8), which
// they do while the disk still works: what they see a power failure may take once more, until whoever holds the
// transaction applies it again. Txn.Shown tells of that step.
// With an error of the rows ([RowErrors]), of the fence ([FencedError]) or of memory ([MemoryError]) nothing was
// applied. After any other error close the index and open it again; what was applied is then whole or absent.
//
// A transaction that was applied before, and single effects that are older than what the index holds, change nothing
// (I3). The context is heeded until the commit begins.
func (x *Index) Apply(ctx context.Context, t *Txn) error {
	in := intake{x: x}
	for i := range t.Deletes {
		in.remove(t.Deletes[i].Key, t.Deletes[i].Version)
	}
	if err := in.put(ctx, t.Upserts); err != nil {
		return err
	}
	return x.apply(ctx, t, &in)
}

// apply applies what was taken in as the changes of a transaction.
func (x *Index) apply(ctx context.Context, t *Txn, in *intake) error {
	list, err := in.changes()
	if err != nil {
		return err
	}
	x.writer.Lock()
	defer x.writer.Unlock()
	if err := x.writable(); err != nil {
		return fmt.Errorf("apply to vector index: %w", err)
	}
	// I3: a writer that was replaced can do no harm.
	if t.Generation < x.progress.fence {
		return &FencedError{Generation: t.Generation, Fence: x.progress.fence}
	}
	// I3: a replay changes nothing.
	if x.progress.covers(t.Generation, t.Epoch) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("apply to vector index: %w", err)
	}
	p := x.progress
	if list, err = x.resolve(list, &p); err != nil {
		return fmt.Errorf("apply to vector index: %w", err)
	}
	if err := x.admit(p); err != nil {
		return err
	}
	p.generation, p.epoch, p.extra = t.Generation, t.Epoch, append([]byte(nil), t.Progress...)
	p.fence = max(p.fence, t.Generation)
	p.sequence++
	if err := x.commit(list, p, t.Shown); err != nil {
		return fmt.Errorf("apply to vector index: %w", err)
	}
	return nil
}

// resolve finds what each change replaces, drops the changes that are too old, and counts rows and tombstones in p.
func (x *Index) resolve(list []change, p *progress) ([]change, error) {
	var buried map[int]uint64 // versions of tombstones, by place in list
	var unknown [][]byte      // keys without a live row, ascending as list is
	var places []int
	for i := range list {
		c := &list[i]
		if c.at, c.has = x.space.find(c.tag, c.key); !c.has && p.tombstones > 0 {
			unknown = append(unknown, rowKey(nil, c.key))
			places = append(places, i)
		}
	}
	err := x.store.GetSorted(unknown, func(i int, value []byte, ok bool) error {
		if !ok {
			return nil
		}
		r, err := decodeRecord(value, x.enc.codeBytes())
		if err != nil || r.live {
			return x.corrupt("read tombstone", fmt.Errorf("row %q: %w", list[places[i]].key, errMalformedRecord))
		}
		if buried == nil {
			buried = map[int]uint64{}
		}
		buried[places[i]] = r.version
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := list[:0]
	for i, c := range list {
		version, tombstone := buried[i]
		// I3: versions of a key only grow.
		if tombstone && c.version <= version || c.has && c.version <= x.space.info(c.at).version {
			continue
		}
		if c.has {
			p.rows--
		}
		if tombstone {
			p.tombstones--
		}
		if c.live {
			p.rows++
		} else {
			p.tombstones++
		}
		kept = append(kept, c)
	}
	return kept, nil
}

// admit refuses growth beyond the memory budget (I9). Replacing and deleting is always admitted, so that an index
// at its limit can shrink.
func (x *Index) admit(p progress) error {
	limit := x.opts.rowBytes()
	if limit == 0 || p.rows <= x.progress.rows {
		return nil
	}
	if need := x.space.grown(int(p.rows-x.progress.rows)) + x.space.terms.bytes(); need > limit {
		return &MemoryError{Need: need, Limit: limit}
	}
	return nil
}

// commit writes changes and progress to the truth and to memory, and shows them.
func (x *Index) commit(list []change, p progress, shown func()) error {
	epoch := x.now().epoch
	if len(list) > 0 {
		epoch++
	}
	if err := x.beginCommit(list, epoch); err != nil {
		x.endCommit()
		return err
	}
	// I2, I8: rows and progress in one synced batch.
	err := x.store.CommitShown(x.batch(list, p), func() {
		x.progress = p
		x.changed += uint64(len(list))
		x.recycle()
		x.place(list, epoch)
		x.publish(epoch)
		if shown != nil {
			shown()
		}
	})
	if err != nil {
		x.failed = err
		x.endCommit()
	}
	return err
}

// beginCommit announces that the truth is about to be newer than what readers see, and keeps the payloads that
// pinned views may still read.
func (x *Index) beginCommit(list []change, epoch uint64) error {
	x.mu.Lock()
	x.committing, x.shelving = true, x.pinned > 0
	shelving := x.shelving
	x.mu.Unlock()
	if !shelving {
		return nil
	}
	var keys [][]byte
	var replaced []rowInfo
	for _, c := range list {
		if c.has {
			keys = append(keys, rowKey(nil, c.key))
			replaced = append(replaced, x.space.info(c.at))
		}
	}
	return x.store.GetSorted(keys, func(i int, value []byte, ok bool) error {
		r, err := decodeRecord(value, x.enc.codeBytes())
		if !ok || err != nil || r.version != replaced[i].version {
			return x.corrupt("read replaced row", fmt.Errorf("row %q: %w", replaced[i].key, errMalformedRecord))
		}
		payload := append([]byte{}, r.payload...)
		x.mu.Lock()
		x.shelf.add(shelfKey{replaced[i].key, r.version}, payload, epoch)
		x.mu.Unlock()
		return nil
	})
}

func (x *Index) endCommit() {
	x.mu.Lock()
	x.endCommitLocked()
	x.mu.Unlock()
}

// batch collects what a transaction writes.
func (x *Index) batch(list []change, p progress) *statestore.Batch {
	const overhead = 32 // of a key, in its row and in the log
	size := 1 << 10
	for i := range list {
		size += list[i].size() + 2*len(list[i].key) + overhead
	}
	b := x.store.NewBatchOf(size) // I9: one that grows would be there twice
	var log, graves []byte
	for i := range list {
		c := &list[i]
		key, value := b.PutDeferred(1+len(c.key), c.size())
		rowKey(key[:0], c.key)
		c.encode(value[:0])
		log = appendKeyed(log, c.key)
		if !c.live {
			graves = binary.BigEndian.AppendUint64(appendKeyed(graves, c.key), c.version)
		}
	}
	if log != nil {
		b.Put(sequenceKey(logTable, p.sequence), log)
	}
	if graves != nil {
		b.Put(sequenceKey(graveTable, p.sequence), graves)
	}
	b.Put(progressKey, p.encode())
	return b
}

// place brings memory up to the truth, for readers from epoch on.
func (x *Index) place(list []change, epoch uint64) {
	s := x.space
	newest := s.layout.newest()
	var assign assignScratch
	for i := range list {
		c := &list[i]
		if c.has {
			s.remove(c.tag, c.key, epoch)
		}
		if !c.live {
			continue
		}
		if c.part != newest { // maintenance came between
			c.list = newest.nearest(x.enc, c.row, &assign)
		}
		info := rowInfo{key: c.key, version: c.version, terms: s.terms.intern(c.terms)}
		s.insert(newest.lists[c.list], c.row, info, epoch)
	}
}
