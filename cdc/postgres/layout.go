package postgres

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// layout says which columns of a table the held rows have, by what no ALTER TABLE gives to another one: their
// attribute numbers. The server tells no row when names change places, or when a column goes and another
// comes under its name, and just by the numbers it shows. Empty: a position of an older version does not say.
//
//	2 bytes   checksum of the key: numbers and kinds of its columns, in its order
//	then for each attribute number from 1 on:
//	2 bytes   checksum of the column's name; 0: no column of this number is held
type layout string

const layoutTag = 2

// layout is that of the columns that the flow carries.
func (t *table) layout() layout {
	var key []byte
	for _, k := range t.key {
		key = append(binary.AppendVarint(key, int64(t.columns[k].number)), byte(t.columns[k].codec.kind()))
	}
	l := binary.BigEndian.AppendUint16(nil, shortSum(key))
	for _, c := range t.columns {
		for len(l) < layoutTag*(1+int(c.number)) {
			l = append(l, 0)
		}
		binary.BigEndian.PutUint16(l[layoutTag*int(c.number):], shortSum([]byte(c.name)))
	}
	return layout(l)
}

// shortSum is a checksum that is not 0.
func shortSum(b []byte) uint16 {
	sum := crc32.ChecksumIEEE(b)
	return max(uint16(sum>>16)^uint16(sum), 1)
}

// tag is what stands at a place: the key's checksum at 0, the name of the column behind it; 0: nothing.
func (l layout) tag(at int) uint16 {
	if layoutTag*at+layoutTag > len(l) {
		return 0
	}
	return binary.BigEndian.Uint16([]byte(l[layoutTag*at:]))
}

// has reports whether a name is held under some number.
func (l layout) has(name uint16) bool {
	for at := 1; layoutTag*at < len(l); at++ {
		if l.tag(at) == name {
			return true
		}
	}
	return false
}

// outgrown says in which way rows that are held under a layout mean something else than the table's rows now; empty:
// in none. A name that was not held is a column more, which is the flow's business, as one that is gone.
func (t *table) outgrown(held layout) string {
	if held == "" {
		if t.rekeyed {
			return fmt.Sprintf("table %s is read by its primary key now", t.plain())
		}
		return ""
	}
	for _, c := range t.columns {
		if name := shortSum([]byte(c.name)); held.tag(int(c.number)) != name && held.has(name) {
			return fmt.Sprintf("column %s of table %s is another one than before: it was dropped and made anew, or names have changed places", c.name, t.plain())
		}
	}
	if now := t.layout(); held.tag(0) != now.tag(0) {
		return fmt.Sprintf("the key of table %s has changed, and is (%s) now", t.plain(), strings.Join(t.names(t.key), ", "))
	}
	return ""
}

// reordered reports whether a description of the table has carried columns in another order. It lists them by their numbers,
// so that then their names have changed places, even if the catalog shows nothing of it any more.
func (t *table) reordered(rel *relation) bool {
	last := -1
	for _, c := range rel.columns {
		at := slices.IndexFunc(t.columns, func(x column) bool { return x.name == c.name })
		if at < 0 {
			continue
		}
		if at < last {
			return true
		}
		last = at
	}
	return false
}
