package blob

import (
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// Known is what was told of each name: the ledger, and before it what was put but is not durable yet.
// Without the latter what is made and removed within one commit would never be deleted. N is the note that a
// source keeps of a name.
type Known[N comparable] struct {
	ledger cdc.Ledger
	decode func(raw []byte) N
	recent map[string]told[N]
	limit  int    // entries of recent that start a sweep
	pass   uint64 // number of the latest pass
}

// told is the last thing put of a name.
type told[N comparable] struct {
	note N
	gone bool
	pass uint64 // the latest pass at that time
}

// minRecent entries are about 1 MiB. Beyond it the engine's own bound on what is in flight is the
// bound (I9): a sweep drops what has become durable.
const minRecent = 8192

// NewKnown begins with what is durable. decode reads a note of the ledger; it makes something of every one.
func NewKnown[N comparable](ledger cdc.Ledger, decode func(raw []byte) N) *Known[N] {
	return &Known[N]{ledger: ledger, decode: decode, recent: make(map[string]told[N]), limit: minRecent}
}

// BeginPass counts a comparison of all names and gives its number.
func (k *Known[N]) BeginPass() uint64 {
	k.pass++
	return k.pass
}

// Note is the last note of a name; ok is false where nothing stands under it.
func (k *Known[N]) Note(name string) (note N, ok bool, err error) {
	if note, ok, told := k.Recent(name); told {
		return note, ok, nil
	}
	return k.durable(name)
}

// Recent is the last note of a name that was put by this run and need not be in the ledger yet; told is false
// where there is none.
func (k *Known[N]) Recent(name string) (note N, ok, told bool) {
	t, told := k.recent[name]
	return t.note, told && !t.gone, told
}

func (k *Known[N]) durable(name string) (note N, ok bool, err error) {
	raw, ok, err := k.ledger.Note(0, cdc.StringKey(name))
	if err != nil {
		return note, false, fmt.Errorf("read note of %q: %w", name, err)
	}
	if !ok {
		return note, false, nil
	}
	return k.decode(raw), true, nil
}

// Put remembers the note that was put of a name.
func (k *Known[N]) Put(name string, note N) error { return k.tell(name, told[N]{note: note}) }

// Gone remembers that a name was put as deleted.
func (k *Known[N]) Gone(name string) error { return k.tell(name, told[N]{gone: true}) }

func (k *Known[N]) tell(name string, t told[N]) error {
	t.pass = k.pass
	k.recent[name] = t
	if len(k.recent) < k.limit {
		return nil
	}
	return k.sweep()
}

// sweep forgets what the ledger shows.
func (k *Known[N]) sweep() error {
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

// Pending are the names under a prefix that were put before a pass and are not in the ledger yet.
func (k *Known[N]) Pending(prefix string, pass uint64) ([]string, error) {
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
