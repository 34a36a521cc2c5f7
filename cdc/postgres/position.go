package postgres

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"github.com/freshet/freshet/cdc"
)

// LSN is a place in the write-ahead log of a server, written as Postgres does, such as 1/5A2C0F8.
type LSN = pglogrepl.LSN

// errLSN is a text that is no LSN.
var errLSN = errors.New("no place in a log, such as 1/5A2C0F8")

// ParseLSN reads what an LSN's String writes, and nothing behind it: pglogrepl's own takes "1/5A and more".
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err1 != nil || err2 != nil {
		return 0, fmt.Errorf("read %.40q: %w", text, errLSN)
	}
	return LSN(h<<32 | l), nil
}

// place is what a [cdc.Position] of this source says. Its bytes order as (lsn, step) do; a position of
// eight bytes, the LSN alone, orders before every place at that LSN.
//
//	8 bytes   LSN, big endian: all that committed before it is held
//	2 bytes   step within the LSN, big endian: it grows when tables become complete there
//	4 bytes   checksum of the server's system identifier
//	uvarint   timeline of the server
//	then for each table some of whose first rows are held, ascending:
//	4 bytes   OID, big endian
//	uvarint   checksum of the condition that its rows meet (0: all its rows), plus flags of what follows
//	uvarint   and 4 bytes, of a partitioned table: its family
//	4 bytes, uvarint, 4 bytes   of a table that is being read: how far
//	then, where a layout is known:
//	4 bytes   0, which is no table's OID
//	uvarint   and as many bytes, for each table: its layout
//
// The layouts stand at the end, so that an origin is a place cut off before them.
type place struct {
	lsn      LSN
	step     uint16
	system   uint32
	timeline uint32
	tables   []heldTable
}

// heldTable is a table whose first rows are held, or some of them.
type heldTable struct {
	oid    uint32
	where  uint16
	family family
	layout layout
	part   bool // not all of them: those before the spot
	spot   spot
}

// spot is how far the rows of a table were read: all those in the files before leaf, and of its file the pages
// before page. Pages say nothing once the file is another one.
type spot struct {
	leaf uint32 // OID of the table, or of the partition
	page uint32
	file uint32 // its relfilenode
}

// family tells apart the sets of partitions that a table had: nothing in the log says that one has joined or
// left, or was emptied by itself.
type family struct {
	since uint64 // partitions that joined in this transaction or a later one are not counted in
	sum   uint32 // over the others, and their files
}

// Flags of a table in a position, beside the checksum of 16 bits.
const (
	flagPart   = 1 << 16
	flagFamily = 1 << 17

	flagsMost  = 1<<18 - 1
	layoutMost = layoutTag * (1 + 1600) // a table has that many columns at most, counting those that were dropped
)

const placeHead = 8 + 2 + 4

func (p *place) encode() cdc.Position {
	b := make([]byte, 0, placeHead+2+6*len(p.tables))
	b = binary.BigEndian.AppendUint64(b, uint64(p.lsn))
	b = binary.BigEndian.AppendUint16(b, p.step)
	b = binary.BigEndian.AppendUint32(b, p.system)
	b = binary.AppendUvarint(b, uint64(p.timeline))
	known := false
	for i := range p.tables {
		b = p.tables[i].append(b)
		known = known || p.tables[i].layout != ""
	}
	if known {
		b = binary.BigEndian.AppendUint32(b, noTable)
		for i := range p.tables {
			l := p.tables[i].layout
			b = append(binary.AppendUvarint(b, uint64(len(l))), l...)
		}
	}
	return cdc.Position(b)
}

// noTable is the OID that no table has.
const noTable = 0

// origin is the part of a place that is kept with every row: all but the layouts.
func origin(at cdc.Position) cdc.Position {
	if len(at) < placeHead {
		return at
	}
	c := &cursor{b: []byte(at)[placeHead:]}
	c.uvarint(1<<32 - 1)
	for len(c.b) > 0 && !c.bad {
		end := len(at) - len(c.b)
		var t heldTable
		if t.read(c); t.oid == noTable && !c.bad {
			return at[:end]
		}
	}
	return at
}

func (t *heldTable) append(b []byte) []byte {
	flags := uint64(t.where)
	if t.part {
		flags |= flagPart
	}
	if t.family != (family{}) {
		flags |= flagFamily
	}
	b = binary.AppendUvarint(binary.BigEndian.AppendUint32(b, t.oid), flags)
	if flags&flagFamily != 0 {
		b = binary.BigEndian.AppendUint32(binary.AppendUvarint(b, t.family.since), t.family.sum)
	}
	if t.part {
		b = binary.AppendUvarint(binary.BigEndian.AppendUint32(b, t.spot.leaf), uint64(t.spot.page))
		b = binary.BigEndian.AppendUint32(b, t.spot.file)
	}
	return b
}

// read reads what stands of a table but its layout; noTable ends the tables.
func (t *heldTable) read(c *cursor) {
	if t.oid = c.u32(); t.oid == noTable {
		return
	}
	flags := c.uvarint(flagsMost)
	t.where = uint16(flags)
	if flags&flagFamily != 0 {
		t.family = family{since: c.uvarint(1<<64 - 1), sum: c.u32()}
	}
	if t.part = flags&flagPart != 0; t.part {
		t.spot = spot{leaf: c.u32(), page: uint32(c.uvarint(1<<32 - 1)), file: c.u32()}
	}
}

// readPlace reads a position of this source; the empty one is the zero place.
func readPlace(position cdc.Position) (place, error) {
	b := []byte(position)
	if len(b) == 0 {
		return place{}, nil
	}
	damaged := fmt.Errorf("read position %x: its bytes are damaged", b)
	if len(b) < placeHead {
		return place{}, damaged
	}
	p := place{lsn: LSN(binary.BigEndian.Uint64(b)), step: binary.BigEndian.Uint16(b[8:]), system: binary.BigEndian.Uint32(b[10:])}
	c := &cursor{b: b[placeHead:]}
	p.timeline = uint32(c.uvarint(1<<32 - 1))
	for len(c.b) > 0 && !c.bad {
		var t heldTable
		if t.read(c); t.oid != noTable {
			p.tables = append(p.tables, t)
			continue
		}
		for i := range p.tables {
			p.tables[i].layout = layout(c.take(int(c.uvarint(layoutMost))))
		}
		c.bad = c.bad || len(c.b) > 0
	}
	if c.bad {
		return place{}, damaged
	}
	return p, nil
}

func compareHeld(t heldTable, oid uint32) int { return cmp.Compare(t.oid, oid) }

// held is what the place says of a table.
func (p *place) held(oid uint32) (heldTable, bool) {
	i, ok := slices.BinarySearchFunc(p.tables, oid, compareHeld)
	if !ok {
		return heldTable{}, false
	}
	return p.tables[i], true
}

// set says how much of the first rows of a table is held.
func (p *place) set(t heldTable) {
	i, ok := slices.BinarySearchFunc(p.tables, t.oid, compareHeld)
	switch {
	case !ok:
		p.tables = slices.Insert(slices.Clone(p.tables), i, t)
	case p.tables[i] == t:
		return
	default:
		p.tables = slices.Clone(p.tables)
		p.tables[i] = t
	}
	p.step++
}

// keep forgets the tables that are not among these.
func (p *place) keep(wanted func(oid uint32) bool) {
	p.tables = slices.DeleteFunc(slices.Clone(p.tables), func(t heldTable) bool { return !wanted(t.oid) })
}

// to moves the place on in the log; it never goes back.
func (p *place) to(lsn LSN) {
	if lsn > p.lsn {
		p.lsn, p.step = lsn, 0
	}
}

// systemSum is what a place keeps of a system identifier.
func systemSum(identifier string) uint32 { return crc32.ChecksumIEEE([]byte(identifier)) }

// whereSum is what a place keeps of a condition.
func whereSum(condition string) uint16 {
	if condition == "" {
		return 0
	}
	sum := crc32.ChecksumIEEE([]byte(condition))
	return max(uint16(sum>>16)^uint16(sum), 1)
}

// bareSize is the length of a position that is an LSN alone.
const bareSize = 8

// stepped reports whether tables have become complete at the LSN of a position, or parts of them.
func stepped(p cdc.Position) bool {
	return len(p) >= placeHead && (p[bareSize] != 0 || p[bareSize+1] != 0)
}

// bare is the position that orders before every place at an LSN.
func bare(lsn LSN) cdc.Position {
	return cdc.Position(binary.BigEndian.AppendUint64(nil, uint64(lsn)))
}
