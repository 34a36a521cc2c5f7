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

// ErrLSN is a text that is no LSN.
var ErrLSN = errors.New("no place in a log, such as 1/5A2C0F8")

// ParseLSN reads what an LSN's String writes, and nothing behind it: pglogrepl's own takes "1/5A and more".
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if !ok || err1 != nil || err2 != nil {
		return 0, fmt.Errorf("read %.40q: %w", text, ErrLSN)
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
//	then for each table whose first rows are held, ascending:
//	4 bytes   OID, big endian
//	uvarint   checksum of the condition that its rows meet; 0: all its rows
type place struct {
	lsn      LSN
	step     uint16
	system   uint32
	timeline uint32
	tables   []heldTable
}

// heldTable is a table whose first rows are held.
type heldTable struct {
	oid   uint32
	where uint16
}

const placeHead = 8 + 2 + 4

func (p *place) encode() cdc.Position {
	b := make([]byte, 0, placeHead+2+6*len(p.tables))
	b = binary.BigEndian.AppendUint64(b, uint64(p.lsn))
	b = binary.BigEndian.AppendUint16(b, p.step)
	b = binary.BigEndian.AppendUint32(b, p.system)
	b = binary.AppendUvarint(b, uint64(p.timeline))
	for _, t := range p.tables {
		b = binary.AppendUvarint(binary.BigEndian.AppendUint32(b, t.oid), uint64(t.where))
	}
	return cdc.Position(b)
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
	timeline, n := binary.Uvarint(b[placeHead:])
	b = b[placeHead+max(n, 0):]
	if n <= 0 || timeline > 1<<32-1 {
		return place{}, damaged
	}
	p.timeline = uint32(timeline)
	for len(b) > 0 {
		if len(b) < 5 {
			return place{}, damaged
		}
		where, n := binary.Uvarint(b[4:])
		if n <= 0 || where > 1<<16-1 {
			return place{}, damaged
		}
		p.tables = append(p.tables, heldTable{oid: binary.BigEndian.Uint32(b), where: uint16(where)})
		b = b[4+n:]
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

// add says that the first rows of a table are held.
func (p *place) add(t heldTable) {
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

// bare is the position that orders before every place at an LSN.
func bare(lsn LSN) cdc.Position {
	return cdc.Position(binary.BigEndian.AppendUint64(nil, uint64(lsn)))
}
