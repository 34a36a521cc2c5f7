package blob

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// Cursor goes through the known names under a prefix in order. It reads the ledger by the page, so
// that no snapshot of the store is held open while a batch waits for credit. Names that are not in the ledger
// yet are not among them: see [Known.Recent] and [Known.Pending].
type Cursor[N comparable] struct {
	known  *Known[N]
	prefix string
	page   []Entry[N]
	at     int
	last   []byte // key of the page's last entry
	end    bool   // the page is the last one
}

// Entry is a known name with its note.
type Entry[N comparable] struct {
	Name string
	Note N
}

const pageEntries = 512

// errPage ends the walk through the ledger when a page is full.
var errPage = errors.New("the page is full")

// Cursor begins at the first name under a prefix.
func (k *Known[N]) Cursor(prefix string) *Cursor[N] {
	return &Cursor[N]{known: k, prefix: prefix}
}

// Peek is the next known name; ok is false behind the last one.
func (c *Cursor[N]) Peek() (e Entry[N], ok bool, err error) {
	for {
		if c.at == len(c.page) {
			if c.end {
				return Entry[N]{}, false, nil
			}
			if err := c.fill(); err != nil {
				return Entry[N]{}, false, err
			}
			continue
		}
		e := c.page[c.at]
		note, there, newer := c.known.Recent(e.Name)
		if newer && !there {
			c.at++
			continue
		}
		if newer {
			e.Note = note
		}
		return e, true, nil
	}
}

// Next steps over the name that Peek has shown.
func (c *Cursor[N]) Next() { c.at++ }

// Seek skips the names below one, so that a reading can go on from there.
func (c *Cursor[N]) Seek(name string) {
	c.page, c.at, c.end = c.page[:0], 0, false
	c.last = append(c.last[:0], cdc.StringKey(name)...)
	c.last = c.last[:len(c.last)-1] // just below the key itself, which is wanted
}

func (c *Cursor[N]) fill() error {
	c.page, c.at = c.page[:0], 0
	from := cdc.Key(c.last)
	if from == nil && c.prefix != "" {
		from = cdc.StringKey(c.prefix)
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
		c.page = append(c.page, Entry[N]{Name: name, Note: c.known.decode(raw)})
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
