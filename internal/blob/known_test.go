package blob

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

func known() (*Known[string], *cdctest.Ledger) {
	ledger := &cdctest.Ledger{}
	return NewKnown(ledger, func(raw []byte) string { return string(raw) }), ledger
}

func TestWhatIsPutIsRememberedUntilItIsDurable(t *testing.T) {
	k, ledger := known()
	for i := range minRecent - 1 {
		name := strconv.Itoa(i)
		if err := k.Put(name, "n"); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // the first half of each pair is durable
			ledger.Set(0, cdc.StringKey(name), []byte("n"))
		}
	}
	if err := k.Gone("gone"); err != nil { // the sweep
		t.Fatal(err)
	}
	if got := len(k.recent); got != minRecent/2-1 {
		t.Errorf("%d names are remembered", got)
	}
	for name, want := range map[string]bool{"0": true, "1": true, "gone": false, "never": false} {
		if _, ok, err := k.Note(name); err != nil || ok != want {
			t.Errorf("%s is known: %v, %v", name, ok, err)
		}
	}
	ledger.Set(0, cdc.StringKey("1"), []byte("old")) // an older state of the ledger
	if got, _, _ := k.Note("1"); got != "n" {
		t.Errorf("the ledger wins over what was put: %q", got)
	}
}

func TestNamesThatAreNotInTheLedgerYetArePending(t *testing.T) {
	k, ledger := known()
	for _, name := range []string{"d/early", "d/durable", "other"} {
		if err := k.Put(name, "n"); err != nil {
			t.Fatal(err)
		}
	}
	ledger.Set(0, cdc.StringKey("d/durable"), []byte("n"))
	pass := k.BeginPass()
	if err := k.Put("d/late", "n"); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Pending("d/", pass); err != nil || fmt.Sprint(got) != "[d/early]" {
		t.Errorf("pending are %v, %v", got, err)
	}
}

func TestCursorsPageThroughTheLedger(t *testing.T) {
	k, ledger := known()
	var want []string
	for i := range 3*pageEntries + 5 {
		name := fmt.Sprintf("d/%05d", i)
		ledger.Set(0, cdc.StringKey(name), []byte("n"))
		want = append(want, name)
	}
	for _, other := range []string{"a", "d", "d-", "d0", "e"} {
		ledger.Set(0, cdc.StringKey(other), nil)
	}
	if err := k.Gone("d/00007"); err != nil {
		t.Fatal(err)
	}
	want = append(want[:7:7], want[8:]...)
	read := func(c *Cursor[string]) (got []string) {
		for {
			e, ok, err := c.Peek()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return got
			}
			got = append(got, e.Name)
			c.Next()
		}
	}
	if got := read(k.Cursor("d/")); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d names of %d", len(got), len(want))
	}
	from := k.Cursor("d/")
	from.Seek("d/01000")
	if got := read(from); len(got) != 3*pageEntries+5-1000 || got[0] != "d/01000" {
		t.Errorf("%d names from %v", len(got), got[:1])
	}
	if got := read(k.Cursor("")); len(got) != len(want)+5 || got[0] != "a" {
		t.Errorf("%d names in all", len(got))
	}
}
