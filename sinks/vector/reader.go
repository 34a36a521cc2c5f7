package vector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/statestore"
)

// reader turns candidates into hits, with the payloads of the view's state.
type reader struct {
	v        *View
	match    func(key, payload []byte) (bool, error)
	keysOnly bool
	verdicts map[shelfKey]bool // of rows that match has been asked about
}

// readAhead is how many rows are read at once while match is asked.
const readAhead = 32

// hits returns the first k of list that match, in its order.
func (r *reader) hits(ctx context.Context, list []candidate, k int) ([]Hit, error) {
	if r.match == nil {
		return r.plain(list[:min(k, len(list))])
	}
	if r.verdicts == nil {
		r.verdicts = map[shelfKey]bool{}
	}
	hits := make([]Hit, 0, min(k, len(list)))
	for from := 0; from < len(list) && len(hits) < k; from += readAhead {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := list[from:min(from+readAhead, len(list))]
		some, err := r.plain(part)
		if err != nil {
			return nil, err
		}
		for i, h := range some {
			id := shelfKey{part[i].row().key, h.Version}
			ok, known := r.verdicts[id]
			if !known {
				if ok, err = r.match(h.Key, h.Payload); err != nil {
					return nil, fmt.Errorf("match row %q: %w", h.Key, err)
				}
				r.verdicts[id] = ok
			}
			if ok && len(hits) < k {
				hits = append(hits, h)
			}
		}
	}
	return hits, nil
}

// plain returns a hit for each candidate.
func (r *reader) plain(list []candidate) ([]Hit, error) {
	hits := make([]Hit, len(list))
	rows := make([]*rowInfo, len(list))
	for i := range list {
		rows[i] = list[i].row()
		hits[i] = Hit{Key: []byte(rows[i].key), Score: list[i].rank, Version: rows[i].version}
	}
	if r.keysOnly {
		return hits, nil
	}
	err := r.v.payloads(rows, func(i int, payload []byte) error {
		hits[i].Payload = append([]byte{}, payload...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return hits, nil
}

// payloads calls fn with the payload of each row in the view's state, in order of keys; it is valid during the call.
func (v *View) payloads(rows []*rowInfo, fn func(i int, payload []byte) error) error {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(rows[a].key, rows[b].key) })
	keys := make([][]byte, len(rows))
	for i, o := range order {
		keys[i] = rowKey(make([]byte, 0, 1+len(rows[o].key)), rows[o].key)
	}
	x := v.x
	err := x.store.GetSorted(keys, func(i int, value []byte, ok bool) error {
		row := rows[order[i]]
		if ok {
			rec, err := decodeRecord(value, x.enc.codeBytes())
			if err != nil {
				return x.corrupt("read row", fmt.Errorf("row %q: %w", row.key, err))
			}
			if rec.live && rec.version == row.version {
				return fn(order[i], rec.payload)
			}
		}
		x.mu.Lock()
		payload, kept := x.shelf.payloads[shelfKey{row.key, row.version}]
		x.mu.Unlock()
		if !kept {
			return errOvertaken
		}
		return fn(order[i], payload)
	})
	if errors.Is(err, statestore.ErrClosed) {
		return ErrClosed
	}
	if v.pinned && errors.Is(err, errOvertaken) {
		return x.overtaken()
	}
	return err
}
