package vector

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// listRows is how many rows a list should have: small enough that a search reads little it does not need, large
// enough that ranking the centroids costs less than ranking the rows.
const listRows = 512

// A list is split above and merged below these.
const (
	splitRows = 4 * listRows
	mergeRows = listRows / 16
)

// sampleMost bounds the rows that centroids are trained on, and with them the memory and the seconds it takes.
const sampleMost = 1 << 17

// partition trains new centroids when the index has outgrown its layout. The new partition is empty; from its
// publication on it receives all writes, and drain moves the old rows.
func (x *Index) partition(ctx context.Context) error {
	v := x.view(false)
	defer v.Close()
	st := v.state
	newest := st.layout.newest()
	if x.opts.IVFRows < 0 || st.rows <= x.opts.IVFRows || len(st.layout.parts) > 1 {
		return nil
	}
	if !newest.flat() && st.rows < 8*newest.trained && st.rows > newest.trained/8 {
		return nil
	}
	r := rand.New(rand.NewPCG(uint64(st.rows), st.progress.sequence))
	lists := max(2, st.rows/listRows)
	p, err := train(ctx, x.enc, v.sample(min(sampleMost, 64*lists), r), lists, r)
	if err != nil {
		return err
	}
	p.trained = st.rows
	return x.locked(func() error {
		x.space.layout = &layout{parts: append(slices.Clone(x.space.layout.parts), p)}
		x.publish(x.now().epoch + 1)
		return nil
	})
}

// sample returns copies of about n rows, spread over all lists.
func (v *View) sample(n int, r *rand.Rand) []encoded {
	var out []encoded
	share := float64(n) / float64(max(1, v.state.rows))
	for b := range v.blocks() {
		for mask := b.visible(v.state.epoch); mask != 0; mask &= mask - 1 {
			if r.Float64() < share {
				i := bits.TrailingZeros64(mask)
				out = append(out, b.encodedAt(i, v.x.enc, make([]byte, 0, v.x.enc.codeBytes())))
			}
		}
	}
	return out
}

// blocks iterates over the blocks of the view.
func (v *View) blocks() func(yield func(*block) bool) {
	return func(yield func(*block) bool) {
		for _, p := range v.state.layout.parts {
			for _, l := range p.lists {
				for _, b := range l.all() {
					if !yield(b) {
						return
					}
				}
			}
		}
	}
}

// moveShare is how many rows one publication moves: writes wait that long.
const moveShare = 1024

// drain moves the rows of old partitions into the newest, a share at a time, and drops what is empty.
func (x *Index) drain(ctx context.Context) error {
	for {
		st := x.now()
		old := st.layout.oldest()
		if old == nil {
			return nil
		}
		for _, l := range old.lists {
			if err := x.moveAll(ctx, l, st.layout.newest()); err != nil {
				return err
			}
		}
		err := x.locked(func() error {
			x.space.layout = &layout{parts: slices.Clone(x.space.layout.parts[1:])}
			x.publish(x.now().epoch + 1)
			x.recycle()
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// moveAll moves every row of a list of an old partition into the lists of target.
func (x *Index) moveAll(ctx context.Context, from *list, target *partition) error {
	for group := range slices.Chunk(from.all(), moveShare/blockRows) {
		if err := x.moveBlocks(ctx, group, from, target, func() {}); err != nil {
			return err
		}
	}
	return nil
}

// moveBlocks moves the rows of some blocks of a list, as they are now, to where they belong in target. It finds their
// lists first, while writers go on; then, as the writer, it calls before and moves what is still there, all in one
// publication. A row whose list is from stays.
func (x *Index) moveBlocks(ctx context.Context, group []*block, from *list, target *partition, before func()) error {
	v := x.view(false) // keeps slots from being used again in between
	defer v.Close()
	var slots []slot
	var rows []encoded
	for _, b := range group {
		for mask := b.visible(v.state.epoch); mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros64(mask)
			slots = append(slots, slot(b.id*blockRows+uint32(i)))
			rows = append(rows, b.encodedAt(i, x.enc, make([]byte, 0, x.enc.codeBytes())))
		}
	}
	nearest := make([]int, len(rows))
	if err := assignAll(ctx, x.enc, target, rows, nearest); err != nil {
		return err
	}
	return x.locked(func() error {
		x.recycle()
		before()
		epoch := x.now().epoch + 1
		buf := make([]byte, 0, x.enc.codeBytes())
		for i, at := range slots {
			b := x.space.blocks[at.block()]
			if to := target.lists[nearest[i]]; to != from && b.list == from && b.dead[at.place()].Load() == never {
				x.space.move(at, to, buf, epoch)
			}
		}
		x.publish(epoch)
		return nil
	})
}
