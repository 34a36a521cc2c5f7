package vector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

var errSnapshot = errors.New("codes snapshot is damaged")

// errForeign: the snapshot is whole but of another index or format.
var errForeign = errors.New("codes snapshot is of another index or format")

// restored is what a snapshot holds.
type restored struct {
	space    *space
	sequence uint64
}

// readSnapshot fills a space from the snapshot file. fs.ErrNotExist says that there is none.
func (x *Index) readSnapshot() (*restored, error) {
	f, err := x.opts.FS.Open(x.opts.FS.PathJoin(x.dir, snapshotName), vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, closeAfter(f, err)
	}
	r := &sectionReader{r: f, left: info.Size()}
	out, err := x.restore(r)
	if err == nil && r.left != 0 {
		err = errSnapshot
	}
	return out, closeAfter(f, err)
}

func (x *Index) restore(r *sectionReader) (*restored, error) {
	head := r.section()
	if !head.word(snapshotMagic) || head.uint32() != snapshotFormat || !head.word(string(x.conf.encode())) {
		return nil, errForeign
	}
	out := &restored{space: newSpace(x.enc), sequence: head.uint64()}
	rows, parts := head.uint64(), head.uint32()
	if r.err != nil || head.bad || parts == 0 || parts > 1<<10 || rows > math.MaxUint32 {
		return nil, errSnapshot
	}
	out.space.layout = &layout{}
	for range parts {
		p, err := x.restorePartition(r.section())
		if err != nil {
			return nil, err
		}
		out.space.layout.parts = append(out.space.layout.parts, p)
	}
	out.space.table.reserve(int(rows))
	for r.err == nil {
		body := r.section()
		if len(body.b) == len(snapshotEnd)+8 && body.word(snapshotEnd) {
			if r.err == nil && body.uint64() == rows && uint64(out.space.rows) == rows {
				return out, nil
			}
			return nil, errSnapshot
		}
		if r.err == nil && !x.restoreRows(out.space, body) {
			return nil, errSnapshot
		}
	}
	return nil, r.err
}

func (x *Index) restorePartition(s *section) (*partition, error) {
	trained, lists := s.uint64(), int(s.uint32())
	p := &partition{trained: int(trained)}
	if s.bad || lists == 0 || lists > len(s.b)+1 {
		return nil, errSnapshot
	}
	if len(s.b) > 0 {
		p.centroids = append([]byte(nil), s.bytes(lists*x.enc.stride)...)
		p.factor, p.norm2 = s.floats(lists), s.floats(lists)
	}
	if s.bad || len(s.b) > 0 || p.flat() && lists != 1 {
		return nil, errSnapshot
	}
	for range lists {
		p.lists = append(p.lists, newList())
	}
	return p, nil
}

// restoreRows puts the rows of one section into their list.
func (x *Index) restoreRows(sp *space, s *section) bool {
	part, number, n := int(s.uint32()), int(s.uint32()), int(s.uint32())
	if s.bad || part >= len(sp.layout.parts) || number >= len(sp.layout.parts[part].lists) || n > blockRows {
		return false
	}
	l := sp.layout.parts[part].lists[number]
	dims, fineBytes := x.enc.dims, x.enc.fineBytes()
	codes, fine := s.bytes(n*dims), s.bytes(n*fineBytes)
	factor, norm2, versions := s.floats(n), s.floats(n), s.bytes(n*8)
	if s.bad {
		return false
	}
	// One string for the keys of the section: a key is a part of it.
	text := &section{b: s.b}
	keys := string(s.b)
	from := make([][2]int, n)
	for i := range n {
		from[i] = text.keyed(len(keys))
	}
	row := encoded{codes: make([]byte, x.enc.codeBytes())}
	for i := range n {
		at := text.keyed(len(keys))
		if text.bad || from[i][0] == from[i][1] {
			return false
		}
		copy(row.codes, codes[i*dims:][:dims])
		copy(row.codes[dims:], fine[i*fineBytes:][:fineBytes])
		row.factor, row.norm2 = factor[i], norm2[i]
		sp.insert(l, row, rowInfo{
			key:     keys[from[i][0]:from[i][1]],
			version: binary.LittleEndian.Uint64(versions[8*i:]),
			terms:   sp.terms.intern([]byte(keys[at[0]:at[1]])),
		}, firstEpoch)
	}
	return len(text.b) == 0
}

// sectionReader reads sections; the first error sticks, and every section after it is empty.
type sectionReader struct {
	r    io.Reader
	left int64 // bytes in the file
	buf  []byte
	err  error
}

func (r *sectionReader) section() *section {
	var head [sectionHead]byte
	if r.err == nil {
		r.read(head[:])
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if r.err == nil && (size > r.left || size > sectionMax) {
		r.err = errSnapshot
	}
	if r.err != nil {
		return &section{bad: true}
	}
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	body := r.buf[:size]
	r.read(body)
	if r.err == nil && xxh3.Hash(body) != binary.LittleEndian.Uint64(head[4:]) {
		r.err = errSnapshot
	}
	if r.err != nil {
		return &section{bad: true}
	}
	return &section{b: body}
}

func (r *sectionReader) read(b []byte) {
	if int64(len(b)) > r.left {
		r.err = errSnapshot
		return
	}
	if _, err := io.ReadFull(r.r, b); err != nil {
		r.err = fmt.Errorf("%w: %w", errSnapshot, err)
		return
	}
	r.left -= int64(len(b))
}

// section is the unread rest of a section's body; bad says that it ended too early.
type section struct {
	b   []byte
	bad bool
}

func (s *section) bytes(n int) []byte {
	if s.bad || n > len(s.b) {
		s.bad = true
		return nil
	}
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

func (s *section) uint32() uint32 {
	if b := s.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (s *section) uint64() uint64 {
	if b := s.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (s *section) floats(n int) []float32 {
	b := s.bytes(4 * n)
	if b == nil {
		return nil
	}
	list := make([]float32, n)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return list
}

// word reports whether the section goes on with w, and skips it.
func (s *section) word(w string) bool { return string(s.bytes(len(w))) == w }

// keyed skips a byte string after its length and returns its bounds in the whole of total bytes.
func (s *section) keyed(total int) [2]int {
	key, rest, err := cutKeyed(s.b)
	if err != nil {
		s.bad, s.b = true, nil
		return [2]int{}
	}
	s.b = rest
	end := total - len(rest)
	return [2]int{end - len(key), end}
}
