package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

func (k *letterKey) encode() []byte {
	child := append(binary.BigEndian.AppendUint32(nil, k.instance), k.child...)
	return statestore.AppendKey(nil, statestore.Key{VNode: vnode, Space: statestore.SpaceDeadLetters, Instance: k.root, Owner: k.owner, Child: child})
}

func decodeLetterKey(key []byte) (letterKey, error) {
	k, err := statestore.ParseKey(key)
	if err != nil {
		return letterKey{}, err
	}
	if len(k.Child) < 4 {
		return letterKey{}, fmt.Errorf("read dead letter: its key is damaged")
	}
	return letterKey{root: k.Instance, owner: cdc.Key(append([]byte(nil), k.Owner...)), instance: binary.BigEndian.Uint32(k.Child),
		child: append([]byte(nil), k.Child[4:]...)}, nil
}

// storedLetter is a dead letter as the state keeps it.
type storedLetter struct {
	DeadLetter
	Retry bool `json:"retry,omitempty"` // asked for while the flow was stopped
}

// putLetters writes the dead letters that an output adds and removes those that are settled.
func (e *Engine) putLetters(b *statestore.Batch, o *output) error {
	o.lettersBy = map[uint32]int64{}
	for i := range o.cleared {
		k := &o.cleared[i]
		had, err := e.db.State.Has(k.encode())
		if err != nil {
			return err
		}
		if had {
			o.lettersBy[k.instance]--
		}
		b.Delete(k.encode())
	}
	for i := range o.letters {
		l := &o.letters[i]
		key := l.encode()
		value, had, err := e.db.State.Get(key)
		if err != nil {
			return err
		}
		stored := storedLetter{DeadLetter: l.body}
		if had {
			var was storedLetter
			if json.Unmarshal(value, &was) == nil {
				stored.Attempts += was.Attempts
			}
		} else {
			o.lettersBy[l.instance]++
		}
		if value, err = json.Marshal(&stored); err != nil {
			return fmt.Errorf("write dead letter: %w", err)
		}
		b.Put(key, value)
	}
	return nil
}

// scanLetters calls fn for every dead letter of the flow.
func scanLetters(db *statestore.DB, fn func(key []byte, k letterKey, l *storedLetter) error) error {
	from, to := statestore.SpanOfSpace(vnode, statestore.SpaceDeadLetters)
	return db.State.Scan(from, to, func(key, value []byte) error {
		k, err := decodeLetterKey(key)
		if err != nil {
			return err
		}
		var l storedLetter
		if err := json.Unmarshal(value, &l); err != nil {
			return fmt.Errorf("read dead letter: %w", err)
		}
		return fn(key, k, &l)
	})
}

// DeadLetters lists the rows that cannot be processed, without their inputs, in key order.
func DeadLetters(db *statestore.DB) ([]DeadLetter, error) {
	letters := []DeadLetter{}
	err := scanLetters(db, func(_ []byte, _ letterKey, l *storedLetter) error {
		l.Input, l.Reply = nil, ""
		letters = append(letters, l.DeadLetter)
		return nil
	})
	return letters, err
}

// FindDeadLetter gives one with its input.
func FindDeadLetter(db *statestore.DB, id string) (letter DeadLetter, ok bool, err error) {
	err = scanLetters(db, func(_ []byte, _ letterKey, l *storedLetter) error {
		if l.ID == id {
			letter, ok = l.DeadLetter, true
			return statestore.ErrStop
		}
		return nil
	})
	return letter, ok, err
}

// MarkRetry marks dead letters of a stopped flow, all or one, to be tried again by the next run. It
// returns those that it marked.
func MarkRetry(db *statestore.DB, id string) ([]DeadLetter, error) {
	marked := []DeadLetter{}
	b := db.State.NewBatch()
	err := scanLetters(db, func(key []byte, _ letterKey, l *storedLetter) error {
		if id != "" && l.ID != id {
			return nil
		}
		l.Retry = true
		value, err := json.Marshal(l)
		if err != nil {
			return err
		}
		b.Put(key, value)
		l.Input, l.Reply = nil, ""
		marked = append(marked, l.DeadLetter)
		return nil
	})
	if err != nil || len(marked) == 0 {
		return marked, err
	}
	return marked, db.State.Commit(b, true)
}

// restoreRetries takes up the dead letters that were marked while the flow was stopped.
func (e *Engine) restoreRetries() error {
	return scanLetters(e.db, func(_ []byte, k letterKey, l *storedLetter) error {
		if t := e.retryTask(k, false); l.Retry && t != nil {
			e.again = append(e.again, t)
		}
		return nil
	})
}

// retryTask asks for a rejected row to be tried again, or for its dead letter to be dropped.
func (e *Engine) retryTask(k letterKey, discard bool) *task {
	for _, r := range e.graph.roots {
		if r.instance == k.root {
			return &task{root: r, key: k.owner, force: true, live: true,
				retry: []retry{{instance: k.instance, child: k.child, discard: discard}}}
		}
	}
	return nil
}
