package vector

import "math/bits"

// space is the rows in memory as the writer sees them. It is guarded by Index.writer; what readers share of it is in
// the blocks, the lists and the term bitmaps.
type space struct {
	enc    *encoder
	layout *layout
	blocks []*block // by number
	free   []*block // in no list
	table  table
	terms  *terms
	graves []grave // dead rows that a view may still see, in the order of their death
	rows   int     // live rows
	keys   int64   // bytes of the keys in slots
}

// grave is a dead row and the first epoch that does not see it.
type grave struct {
	slot  slot
	epoch uint64
}

func newSpace(e *encoder) *space {
	return &space{enc: e, layout: &layout{parts: []*partition{flatPartition()}}, terms: newTerms()}
}

// keyOf returns the key of the row in a slot.
func (s *space) keyOf(at slot) string { return s.blocks[at.block()].rows[at.place()].key }

// info returns what a slot says of its row.
func (s *space) info(at slot) rowInfo { return s.blocks[at.block()].rows[at.place()] }

// find returns the live row of a key.
func (s *space) find(tag uint32, key string) (slot, bool) {
	i := s.table.find(tag, key, s.keyOf)
	if i < 0 {
		return 0, false
	}
	return slot(s.table.entries[i].slot - 1), true
}

// insert puts a row whose key is not live into a list, visible from epoch on.
func (s *space) insert(l *list, row encoded, info rowInfo, epoch uint64) slot {
	at := s.place(l, row, info, epoch)
	s.table.add(hashKey(info.key), at)
	return at
}

// place puts a row into a free place of a list. The caller enters it into the table.
func (s *space) place(l *list, row encoded, info rowInfo, epoch uint64) slot {
	b := l.room()
	if b == nil {
		b = s.newBlock()
		l.add(b)
	}
	i := bits.TrailingZeros64(^b.used)
	b.put(i, s.enc, row, info, epoch)
	l.rows++
	s.rows++
	s.keys += int64(len(info.key))
	at := slot(b.id*blockRows + uint32(i))
	if info.terms != 0 {
		s.terms.mu.Lock()
		s.terms.markLocked(info.terms, at)
		s.terms.mu.Unlock()
	}
	return at
}

func (s *space) newBlock() *block {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	b := newBlock(uint32(len(s.blocks)), s.enc)
	s.blocks = append(s.blocks, b)
	return b
}

// remove kills the live row of a key from epoch on.
func (s *space) remove(tag uint32, key string, epoch uint64) {
	i := s.table.find(tag, key, s.keyOf)
	at := slot(s.table.entries[i].slot - 1)
	s.table.remove(i)
	s.bury(at, epoch)
}

// move puts the live row in a slot into another list, from epoch on.
func (s *space) move(at slot, to *list, buf []byte, epoch uint64) {
	b := s.blocks[at.block()]
	info := b.rows[at.place()]
	s.terms.retain(info.terms)
	target := s.place(to, b.encodedAt(at.place(), s.enc, buf), info, epoch)
	i := s.table.find(hashKey(info.key), info.key, s.keyOf)
	s.table.entries[i].slot = uint32(target) + 1
	s.bury(at, epoch)
}

// bury kills a row and remembers to free its place.
func (s *space) bury(at slot, epoch uint64) {
	b := s.blocks[at.block()]
	b.kill(at.place(), epoch)
	b.list.rows--
	s.rows--
	s.graves = append(s.graves, grave{at, epoch})
}

// recycle frees the places that no view at oldest or later sees.
func (s *space) recycle(oldest uint64) {
	n := 0
	for n < len(s.graves) && s.graves[n].epoch <= oldest {
		n++
	}
	if n == 0 {
		return
	}
	s.terms.mu.Lock()
	for _, g := range s.graves[:n] {
		s.terms.forgetLocked(s.info(g.slot).terms, g.slot)
	}
	s.terms.mu.Unlock()
	for _, g := range s.graves[:n] {
		b := s.blocks[g.slot.block()]
		s.keys -= int64(len(b.rows[g.slot.place()].key))
		b.release(g.slot.place())
		if b.used != 0 {
			b.list.reopen(b)
			continue
		}
		b.list.drop(b)
		s.free = append(s.free, b)
	}
	s.graves = append(s.graves[:0], s.graves[n:]...)
}

// bytes returns the memory of the rows, about. A key costs its bytes and the allocator's rounding.
func (s *space) bytes() int64 {
	return int64(len(s.blocks))*blockBytes(s.enc) + s.table.bytes() + s.keys + int64(s.rows)*8 +
		int64(cap(s.graves))*16
}

// grown returns what bytes would be with n more rows.
func (s *space) grown(n int) int64 {
	places := len(s.blocks)*blockRows - s.rows - len(s.graves)
	blocks := max(0, n-places+blockRows-1) / blockRows
	return s.bytes() + int64(blocks)*blockBytes(s.enc)
}
