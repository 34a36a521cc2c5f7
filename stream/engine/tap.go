package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// TapRow is one row of a step, as an evaluation has just made it.
type TapRow struct {
	Event string          `json:"event"` // row
	Step  string          `json:"step"`
	Key   string          `json:"key"`
	Row   json.RawMessage `json:"row"` // results that are passed on by reference, such as vectors, are null
	Epoch uint64          `json:"epoch"`
}

// taps are those who look at the rows of steps. Nobody waits for them: rows that they do not take in
// time are dropped and counted.
type taps struct {
	mu  sync.Mutex
	all map[*tap]struct{}
}

type tap struct {
	collection int
	queue      []TapRow
	lost       int
	ready      chan struct{} // one place: that there is more, not how much
}

// tapMax bounds the rows that wait for one tap, and those that one epoch makes for all.
const tapMax = 1024

// Tap calls fn with the rows of a source or step as they are made, until ctx ends or fn returns an error.
// lost is the number of rows dropped since the last call.
func (e *Engine) Tap(ctx context.Context, step string, fn func(row TapRow, lost int) error) error {
	at := -1
	for i, c := range e.plan.Collections {
		if c.Name == step {
			at = i
		}
	}
	if at < 0 {
		return &NotFoundError{What: fmt.Sprintf("a source or step named %q", step)}
	}
	t := &tap{collection: at, ready: make(chan struct{}, 1)}
	e.taps.mu.Lock()
	e.taps.all[t] = struct{}{}
	e.taps.mu.Unlock()
	defer func() {
		e.taps.mu.Lock()
		defer e.taps.mu.Unlock()
		delete(e.taps.all, t)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ready:
		}
		e.taps.mu.Lock()
		queue, lost := t.queue, t.lost
		t.queue, t.lost = nil, 0
		e.taps.mu.Unlock()
		for _, row := range queue {
			if err := fn(row, lost); err != nil {
				return err
			}
			lost = 0
		}
	}
}

// wanted marks the collections that somebody looks at; nil: nobody looks.
func (t *taps) wanted(collections int) []bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return nil
	}
	wanted := make([]bool, collections)
	for tap := range t.all {
		wanted[tap.collection] = true
	}
	return wanted
}

// tapped is a row on its way to the taps of its collection.
type tapped struct {
	collection int
	row        TapRow
}

func (t *taps) publish(epoch uint64, rows []tapped) {
	if len(rows) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for tap := range t.all {
		for i := range rows {
			if rows[i].collection != tap.collection {
				continue
			}
			if len(tap.queue) == tapMax {
				tap.lost++
				continue
			}
			row := rows[i].row
			row.Epoch = epoch
			tap.queue = append(tap.queue, row)
		}
		select {
		case tap.ready <- struct{}{}:
		default:
		}
	}
}

// tap copies the rows of a collection for those who look at it.
func (v *evaluator) tap(collection int, rows []rowRef) {
	c := v.g.plan.Collections[collection]
	for i := range rows {
		if len(v.out.tapped) == tapMax {
			return
		}
		key := cdc.Key(append(append([]byte(nil), v.t.key...), rows[i].child...))
		row := append(cdc.AppendFieldsJSON([]byte{'{'}, c.Schema.Columns, rows[i].row), '}')
		v.out.tapped = append(v.out.tapped, tapped{collection: collection, row: TapRow{Event: "row", Step: c.Name, Key: key.Text(), Row: row}})
	}
}
