package flight

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The slots of the tables of Arrow's metadata that hold lists, as its description lays them out.
const (
	slotHeaderType = 6
	slotHeader     = 8
	slotFields     = 6  // of a schema
	slotSchemaMeta = 8  // of a schema
	slotChildren   = 14 // of a field
	slotFieldMeta  = 16 // of a field

	headerSchema = 1
	// nestMost bounds how deep types nest.
	nestMost = 32
)

// table is one of a message's metadata. What lies outside of the message makes its methods panic.
type table struct {
	b  []byte
	at int
}

func (t table) u32(at int) int { return int(binary.LittleEndian.Uint32(t.b[at:])) }

// slot is where the value of a slot lies; 0 where it has none.
func (t table) slot(n int) int {
	layout := t.at - int(int32(t.u32(t.at)))
	if size := int(binary.LittleEndian.Uint16(t.b[layout:])); n >= size {
		return 0
	}
	offset := int(binary.LittleEndian.Uint16(t.b[layout+n:]))
	if offset == 0 {
		return 0
	}
	return t.at + offset
}

// list is where the elements of a list of tables lie, and how many there are. Each takes four bytes at least: a
// list that says it has more is none.
func (t table) list(n int) (at, count int, err error) {
	place := t.slot(n)
	if place == 0 {
		return 0, 0, nil
	}
	at = place + t.u32(place)
	count = t.u32(at)
	at += 4
	if count > (len(t.b)-at)/4 {
		return 0, 0, fmt.Errorf("a list says that it has %d elements, and there is no room for them", count)
	}
	return at, count, nil
}

// plausible checks the lists of a schema before Arrow's reader takes memory for what they say they hold.
func plausible(meta []byte) error {
	root := table{b: meta}
	root.at = root.u32(0)
	kind := root.slot(slotHeaderType)
	header := root.slot(slotHeader)
	if kind == 0 || header == 0 || meta[kind] != headerSchema {
		return nil // its parts are looked up in the schema that was read before
	}
	schema := table{meta, header + root.u32(header)}
	if _, _, err := schema.list(slotSchemaMeta); err != nil {
		return err
	}
	left := len(meta) // fields may be named twice: together they are no more than would fit
	return schema.fields(slotFields, nestMost, &left)
}

// fields checks the fields of a schema, or the children of a field.
func (t table) fields(slot, deep int, left *int) error {
	at, count, err := t.list(slot)
	if err != nil {
		return err
	}
	for i := range count {
		if *left--; *left < 0 || deep == 0 {
			return errors.New("the schema has too many fields")
		}
		place := at + 4*i
		field := table{t.b, place + t.u32(place)}
		if _, _, err := field.list(slotFieldMeta); err != nil {
			return err
		}
		if err := field.fields(slotChildren, deep-1, left); err != nil {
			return err
		}
	}
	return nil
}
