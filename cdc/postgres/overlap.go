package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// overlaps follows keys under which two rows stand for a moment: where the key is checked late, a transaction
// may move a row to a key before the row that has it leaves. The server then sends whole old rows
// (REPLICA IDENTITY FULL), by which the two are told apart. It holds one transaction and the tables with such
// a key alone.
type overlaps struct {
	seed   maphash.Seed
	newest map[string]uint64 // by table and key: the row that was put there last
	name   []byte
}

// nameOf is the name of a key; the slice is valid until the next call.
func (o *overlaps) nameOf(x *binding, key []byte) []byte {
	o.name = appendName(o.name[:0], x, key)
	return o.name
}

// appendName writes the name of a key among those of all tables.
func appendName(dst []byte, x *binding, key []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(x.collection)), key...)
}

// sum identifies a row by all that travels of it; old fills in what was not sent again.
func (o *overlaps) sum(t, old *tuple) uint64 {
	var h maphash.Hash
	h.SetSeed(o.seed)
	for i, form := range t.forms {
		value := t.values[i]
		if form == formUnchanged && old != nil && i < len(old.forms) {
			form, value = old.forms[i], old.values[i]
		}
		_ = h.WriteByte(form)
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(value))))
		_, _ = h.Write(value)
	}
	return h.Sum64()
}

// put notes the row that stands under a key from now on.
func (o *overlaps) put(x *binding, key []byte, t, old *tuple) {
	if !x.table.deferrable {
		return
	}
	if o.newest == nil {
		o.newest, o.seed = map[string]uint64{}, maphash.MakeSeed()
	}
	o.newest[string(o.nameOf(x, key))] = o.sum(t, old)
}

// stands says how a row that is updated or leaves relates to the one that was put under its key last.
type stands uint8

const (
	standsAlone stands = iota // nothing was put there
	standsNewer               // another row was put there
	standsSame                // one that looks like it was put there
)

func (o *overlaps) stand(x *binding, key []byte, old *tuple) stands {
	if !x.table.deferrable || len(o.newest) == 0 || old == nil {
		return standsAlone
	}
	switch newest, ok := o.newest[string(o.nameOf(x, key))]; {
	case !ok:
		return standsAlone
	case newest != o.sum(old, nil):
		return standsNewer
	}
	return standsSame
}

// leave forgets what was put under a key.
func (o *overlaps) leave(x *binding, key []byte) { delete(o.newest, string(o.nameOf(x, key))) }

// reset begins another transaction.
func (o *overlaps) reset() { clear(o.newest) }

// exists asks whether the table has a row under the key of a tuple now. It decides between two rows that
// differ in nothing; what has happened to them since comes later in the stream.
func (r *run) exists(ctx context.Context, x *binding, t *tuple) (bool, error) {
	if err := r.awaitVisible(ctx); err != nil {
		return false, err
	}
	condition, values, types, forms := x.byKey(t, nil)
	result := r.sql.PgConn().ExecParams(ctx, "SELECT FROM "+x.table.String()+" WHERE "+condition, values, types, forms, nil).Read()
	if result.Err != nil {
		return false, fmt.Errorf("look for a row of %s: %w", x.table.plain(), result.Err)
	}
	return len(result.Rows) > 0, nil
}
