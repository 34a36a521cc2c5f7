package postgres

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"
)

// familyOf sums up the partitions that joined before a transaction.
func familyOf(parts []part, since uint64) family {
	var b []byte
	for _, p := range parts { // ascending by OID
		if p.born < since {
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, p.oid), p.file)
		}
	}
	return family{since: since, sum: crc32.ChecksumIEEE(b)}
}

// lookAtFamilies compares the partitions of tables with those whose rows are held. The log does not tell when one
// joins with its rows, leaves with them, or is emptied by itself. What has joined is read; where one has left, the
// tables are read again to find out which rows are gone.
func (r *run) lookAtFamilies(ctx context.Context) error {
	r.looked = time.Now()
	for _, t := range r.tables {
		held, ok := r.place.held(t.oid)
		if t.kind != 'p' || !ok || held.part || r.filling(t.oid) != nil {
			continue
		}
		seen, err := r.look(ctx)
		if err != nil {
			return err
		}
		parts, err := t.partsOf(ctx, r.sql, seen)
		if err != nil {
			return err
		}
		if held.family == (family{}) { // first rows that were not wanted, or a position of an older version
			held.family = familyOf(parts, seen.least)
			r.place.set(held)
		}
		if familyOf(parts, held.family.since) != held.family {
			return r.again("a partition has left table %s, or was emptied or written anew", t.plain())
		}
		var joined []uint32
		for _, p := range parts {
			if p.born >= held.family.since && !slices.Contains(r.kin, p.oid) {
				joined = append(joined, p.oid)
			}
		}
		r.kin = append(r.kin, joined...)
		if len(joined) > 0 {
			r.fills = append(r.fills, &fill{table: t, only: joined, opened: true})
			r.doubts = append(r.doubts, seen.under...) // they may have been streamed already
		}
	}
	return nil
}

// strange is asked when a table is described in the stream that the flow does not name: it may be a partition that
// has joined just now, whose rows are not held yet.
func (r *run) strange(ctx context.Context, oid uint32) error {
	if !r.parted || slices.Contains(r.strangers, oid) {
		return nil
	}
	r.strangers = append(r.strangers, oid)
	return r.lookAtFamilies(ctx)
}
