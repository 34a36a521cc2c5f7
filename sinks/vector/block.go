package vector

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/freshet/freshet/sinks/vector/kernel"
)

// blockRows is the number of slots in a block: one bit each in a machine word.
const blockRows = 64

// never is the epoch at which a live row dies.
const never = math.MaxUint64

// slot names a place for a row: the number of its block, then six bits for the place inside.
type slot uint32

func (s slot) block() uint32 { return uint32(s) / blockRows }
func (s slot) place() int    { return int(s % blockRows) }

// block holds the codes of up to 64 rows of one list, one behind the other, so that a scan is one kernel call.
//
// A row is visible at epoch E when born ≤ E < dead. Everything but the atomic fields belongs to the writer while a
// slot is invisible to every open view, and is frozen from the publication of the slot's birth until no view sees
// the slot any more: readers therefore touch visible slots only, and never lock.
type block struct {
	id     uint32
	list   *list     // where it lies now; the writer's
	open   bool      // in list.open; the writer's
	used   uint64    // slots that hold a row or wait for views to forget one; the writer's
	codes  []byte    // blockRows × stride, biased by 128, padded with zeroCode
	fine   []byte    // blockRows × fineBytes
	sketch []uint64  // blockRows × words: the signs of the codes
	factor []float32 // see encoded
	norm2  []float32
	rows   [blockRows]rowInfo

	// changed is the newest epoch that alters this block; live is the mask of visible slots at that epoch. The writer
	// stores changed before it touches anything else, so a reader that finds changed ≤ E before and after reading
	// live has read the mask that holds at E.
	changed atomic.Uint64
	live    atomic.Uint64
	born    [blockRows]atomic.Uint64
	dead    [blockRows]atomic.Uint64
}

// rowInfo is what a search returns of a row without reading the truth.
type rowInfo struct {
	key     string
	version uint64
	terms   termSet
}

func newBlock(id uint32, e *encoder) *block {
	b := &block{
		id:     id,
		codes:  make([]byte, blockRows*e.stride),
		fine:   make([]byte, blockRows*e.fineBytes()),
		factor: make([]float32, blockRows),
		norm2:  make([]float32, blockRows),
		sketch: make([]uint64, blockRows*kernel.Words(e.dims)),
	}
	if e.stride != e.dims {
		for i := range b.codes {
			b.codes[i] = zeroCode
		}
	}
	for i := range blockRows {
		b.born[i].Store(never)
	}
	return b
}

// blockBytes returns the memory of one block, without its keys.
func blockBytes(e *encoder) int64 {
	row := e.stride + e.fineBytes() + 8*kernel.Words(e.dims) + 4 + 4
	return int64(blockRows*row) + int64(unsafe.Sizeof(block{}))
}

// visible returns the mask of the slots that a view at epoch sees.
func (b *block) visible(epoch uint64) uint64 {
	if changed := b.changed.Load(); changed <= epoch {
		mask := b.live.Load()
		if b.changed.Load() == changed {
			return mask
		}
	}
	var mask uint64
	for i := range blockRows {
		// A slot is born again with born stored before dead; loading dead first never pairs the new death with the
		// old birth.
		dead := b.dead[i].Load()
		if born := b.born[i].Load(); born <= epoch && epoch < dead {
			mask |= 1 << i
		}
	}
	return mask
}

// put writes a row into a free place; it becomes visible when epoch is published.
func (b *block) put(i int, e *encoder, row encoded, info rowInfo, epoch uint64) {
	b.changed.Store(epoch)
	b.used |= 1 << i
	codes := row.codes[:e.dims]
	copy(b.codes[i*e.stride:], codes)
	copy(b.fine[i*e.fineBytes():][:e.fineBytes()], row.codes[e.dims:])
	words := kernel.Words(e.dims)
	sketch(codes, b.sketch[i*words:][:words])
	b.factor[i], b.norm2[i] = row.factor, row.norm2
	b.rows[i] = info
	b.born[i].Store(epoch)
	b.dead[i].Store(never)
	b.live.Store(b.live.Load() | 1<<i)
}

// kill makes a row invisible from epoch on. The place stays used until no view sees the row.
func (b *block) kill(i int, epoch uint64) {
	b.changed.Store(epoch)
	b.dead[i].Store(epoch)
	b.live.Store(b.live.Load() &^ (1 << i))
}

// release frees the place of a dead row that no view sees.
func (b *block) release(i int) {
	b.rows[i] = rowInfo{}
	b.used &^= 1 << i
}

// encodedAt returns the codes of a row, in a buffer of codeBytes bytes.
func (b *block) encodedAt(i int, e *encoder, buf []byte) encoded {
	buf = append(buf[:0], b.codes[i*e.stride:][:e.dims]...)
	buf = append(buf, b.fine[i*e.fineBytes():][:e.fineBytes()]...)
	return encoded{codes: buf, factor: b.factor[i], norm2: b.norm2[i]}
}
