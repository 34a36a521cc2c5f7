package engine

import (
	"bytes"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// ledger shows a source what it noted of its keys, as it is durable.
type ledger struct {
	db    *statestore.DB
	roots []*root // by place
}

// Note implements cdc.Ledger.
func (l *ledger) Note(collection int, key cdc.Key) ([]byte, bool, error) {
	value, ok, err := l.db.State.Get(ownerKey(nil, l.roots[collection], key))
	if err != nil || !ok {
		return nil, false, err
	}
	var r record
	if err := r.decode(value); err != nil {
		return nil, false, err
	}
	return r.note, r.noted, nil
}

// Notes implements cdc.Ledger.
func (l *ledger) Notes(collection int, from cdc.Key, fn func(key cdc.Key, note []byte) error) error {
	r := l.roots[collection]
	start, end := statestore.SpanOfInstance(vnode, statestore.SpaceOwners, r.instance)
	if len(from) > 0 {
		start = ownerKey(nil, r, from)
	}
	var rec record
	return l.db.State.Scan(start, end, func(key, value []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		if err := rec.decode(value); err != nil {
			return err
		}
		if !rec.noted {
			return nil
		}
		return fn(cdc.Key(bytes.Clone(k.Owner)), rec.note)
	})
}

// vnode is the virtual node of every key while one process owns them all. Keys carry it from the first
// day, so that a partition can move when there are several.
const vnode = 0

func ownerKey(dst []byte, r *root, key cdc.Key) []byte {
	return statestore.AppendOwner(dst, statestore.Key{VNode: vnode, Space: statestore.SpaceOwners, Instance: r.instance, Owner: key})
}
