package vector

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// balance splits lists that have grown hot and merges those that have emptied, so that what a search reads stays
// about the same however the data drifts.
func (x *Index) balance(ctx context.Context) error {
	for {
		var crowded, empty *list
		err := x.locked(func() error {
			p := x.space.layout.newest()
			if p.flat() || len(x.space.layout.parts) > 1 {
				return nil
			}
			for _, l := range p.lists {
				if l.rows > splitRows && (crowded == nil || l.rows > crowded.rows) && !l.whole {
					crowded = l
				}
				if l.rows < mergeRows && len(p.lists) > 1 && empty == nil {
					empty = l
				}
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case crowded != nil:
			err = x.split(ctx, crowded)
		case empty != nil:
			err = x.locked(func() error { x.merge(empty); return nil })
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// split divides a list in two.
func (x *Index) split(ctx context.Context, l *list) error {
	v := x.view(false)
	defer v.Close()
	old := v.state.layout.newest()
	var rows []encoded
	for _, b := range l.all() {
		for mask := b.visible(v.state.epoch); mask != 0; mask &= mask - 1 {
			rows = append(rows, b.encodedAt(bits.TrailingZeros64(mask), x.enc, make([]byte, 0, x.enc.codeBytes())))
		}
	}
	if len(rows) < 2 {
		return nil
	}
	halves, err := train(ctx, x.enc, rows, 2, rand.New(rand.NewPCG(uint64(len(rows)), v.state.progress.sequence)))
	if err != nil {
		return err
	}
	at := slices.Index(old.lists, l)
	p := &partition{
		lists:     append(slices.Clone(old.lists), newList()),
		centroids: append(slices.Clone(old.centroids), halves.centroids[x.enc.stride:]...),
		factor:    append(slices.Clone(old.factor), halves.factor[1]),
		norm2:     append(slices.Clone(old.norm2), halves.norm2[1]),
		trained:   old.trained,
	}
	copy(p.centroids[at*x.enc.stride:][:x.enc.stride], halves.centroids)
	p.factor[at], p.norm2[at] = halves.factor[0], halves.norm2[0]
	before := l.rows
	err = x.moveBlocks(ctx, l.all(), l, p, func() { x.space.layout = &layout{parts: []*partition{p}} })
	if err != nil {
		return err
	}
	return x.locked(func() error {
		// Rows that are all alike cannot be divided; do not try for ever.
		l.whole = l.rows*20 > before*19
		return nil
	})
}

// merge dissolves a list: its rows go to their next nearest. The caller holds writer.
func (x *Index) merge(l *list) {
	x.recycle()
	old := x.space.layout.newest()
	at, stride := slices.Index(old.lists, l), x.enc.stride
	p := &partition{
		lists:     slices.Delete(slices.Clone(old.lists), at, at+1),
		centroids: slices.Delete(slices.Clone(old.centroids), at*stride, (at+1)*stride),
		factor:    slices.Delete(slices.Clone(old.factor), at, at+1),
		norm2:     slices.Delete(slices.Clone(old.norm2), at, at+1),
		trained:   old.trained,
	}
	epoch := x.now().epoch + 1
	buf := make([]byte, 0, x.enc.codeBytes())
	var scratch assignScratch
	for _, b := range l.all() {
		for mask := b.live.Load(); mask != 0; mask &= mask - 1 {
			i := bits.TrailingZeros64(mask)
			to := p.nearest(x.enc, b.encodedAt(i, x.enc, buf), &scratch)
			x.space.move(slot(b.id*blockRows+uint32(i)), p.lists[to], make([]byte, 0, x.enc.codeBytes()), epoch)
		}
	}
	x.space.layout = &layout{parts: []*partition{p}}
	x.publish(epoch)
}
