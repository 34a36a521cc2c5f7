package files

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// known is what was told of each name: the ledger, and before it what was put but is not durable yet.
// Without the latter a file that is made and removed within one commit would never be deleted.
type known struct {
	ledger cdc.Ledger
	recent map[string]told
	limit  int    // entries of recent that start a sweep
	pass   uint64 // number of the latest pass
}

// told is the last thing put of a name.
type told struct {
	note note
	gone bool
	pass uint64 // the latest pass at that time
}

// minRecent entries are about 1 MiB. Beyond it the engine's own bound on what is in flight is the
// bound (I9): a sweep drops what has become durable.
const minRecent = 8192

func newKnown(ledger cdc.Ledger) *known {
	return &known{ledger: ledger, recent: make(map[string]told), limit: minRecent}
}

// note is the last note of a name.
func (k *known) note(name string) (note, bool, error) {
	if t, ok := k.recent[name]; ok {
		return t.note, !t.gone, nil
	}
	return k.durable(name)
}

func (k *known) durable(name string) (note, bool, error) {
	raw, ok, err := k.ledger.Note(0, keyOf(name))
	if err != nil {
		return note{}, false, fmt.Errorf("read note of %q: %w", name, err)
	}
	if !ok {
		return note{}, false, nil
	}
	return decodeNote(raw), true, nil
}

// tell remembers what was put of a name.
func (k *known) tell(name string, t told) error {
	t.pass = k.pass
	k.recent[name] = t
	if len(k.recent) < k.limit {
		return nil
	}
	return k.sweep()
}

// sweep forgets what the ledger shows.
func (k *known) sweep() error {
	for name, t := range k.recent {
		n, ok, err := k.durable(name)
		if err != nil {
			return err
		}
		if ok != t.gone && (t.gone || n == t.note) {
			delete(k.recent, name)
		}
	}
	k.limit = max(minRecent, 2*len(k.recent))
	return nil
}

// pending are the names under a prefix that were put before a pass and are not in the ledger yet.
func (k *known) pending(prefix string, pass uint64) ([]string, error) {
	var names []string
	for name, t := range k.recent {
		if t.gone || t.pass >= pass || !strings.HasPrefix(name, prefix) {
			continue
		}
		_, ok, err := k.durable(name)
		if err != nil {
			return nil, err
		}
		if !ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// cursor goes through the known names under a prefix in order. It reads the ledger by the page, so
// that no snapshot of the store is held open while a batch waits for credit.
type cursor struct {
	known  *known
	prefix string
	page   []entry
	at     int
	last   []byte // key of the page's last entry
	end    bool   // the page is the last one
}

type entry struct {
	name string
	note note
}

const pageEntries = 512

// errPage ends the walk through the ledger when a page is full.
var errPage = errors.New("the page is full")

func (k *known) cursor(prefix string) *cursor {
	return &cursor{known: k, prefix: prefix}
}

// peek is the next known name; ok is false behind the last one.
func (c *cursor) peek() (e entry, ok bool, err error) {
	for {
		if c.at == len(c.page) {
			if c.end {
				return entry{}, false, nil
			}
			if err := c.fill(); err != nil {
				return entry{}, false, err
			}
			continue
		}
		e := c.page[c.at]
		t, newer := c.known.recent[e.name]
		if newer && t.gone {
			c.at++
			continue
		}
		if newer {
			e.note = t.note
		}
		return e, true, nil
	}
}

func (c *cursor) next() { c.at++ }

// seek skips the names below one, so that a reading can go on from there.
func (c *cursor) seek(name string) {
	c.page, c.at, c.end = c.page[:0], 0, false
	c.last = append(c.last[:0], keyOf(name)...)
	c.last = c.last[:len(c.last)-1] // just below the key itself, which is wanted
}

func (c *cursor) fill() error {
	c.page, c.at = c.page[:0], 0
	from := cdc.Key(c.last)
	if from == nil && c.prefix != "" {
		from = keyOf(c.prefix)
	}
	c.end = true
	err := c.known.ledger.Notes(0, from, func(key cdc.Key, raw []byte) error {
		if bytes.Equal(key, c.last) {
			return nil // the page before ended with it
		}
		name := key.Text()
		if !strings.HasPrefix(name, c.prefix) {
			return errPage
		}
		c.page = append(c.page, entry{name: name, note: decodeNote(raw)})
		if len(c.page) == pageEntries {
			c.last, c.end = append(c.last[:0], key...), false
			return errPage
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPage) {
		return fmt.Errorf("read notes: %w", err)
	}
	return nil
}
