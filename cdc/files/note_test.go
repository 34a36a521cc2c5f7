package files

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func exampleNote() note {
	return note{stamp: stamp{mtime: -5, ctime: 1 << 60, size: 77, inode: 1 << 63}, hash: [16]byte{1, 15: 9}, outcome: tooLarge, racy: true}
}

func FuzzNote(f *testing.F) {
	f.Add(exampleNote().append(nil))
	f.Add([]byte{})
	f.Add([]byte{noteForm})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := decodeNote(b)
		if n.outcome == stale {
			if n.fits(stamp{}, 1<<30) {
				t.Error("what cannot be read fits a file")
			}
			return
		}
		if diff := cmp.Diff(b, n.append(nil)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNotesOfAnotherFormAreStale(t *testing.T) {
	n := exampleNote()
	good := n.append(nil)
	if got := decodeNote(good); got != n {
		t.Errorf("%+v becomes %+v", n, got)
	}
	for name, b := range map[string][]byte{
		"none": nil, "short": good[:len(good)-1], "long": append(good[:len(good):len(good)], 0),
		"another form": append([]byte{2}, good[1:]...), "an unknown outcome": append([]byte{1, 9}, good[2:]...),
	} {
		if got := decodeNote(b).outcome; got != stale {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRacyStamps(t *testing.T) {
	read := time.Unix(1000, 500_000_000)
	at := func(d time.Duration) int64 { return read.Add(d).UnixNano() }
	for _, c := range []struct {
		name string
		s    stamp
		want bool
	}{
		{"changed in the tick of the read", stamp{mtime: at(-time.Hour), ctime: at(-5 * time.Millisecond)}, true},
		{"changed well before", stamp{mtime: at(-time.Hour), ctime: at(-25 * time.Millisecond)}, false},
		{"a modification time in the future, set by hand", stamp{mtime: at(time.Hour), ctime: at(-time.Minute)}, false},
		{"a clock ahead of ours", stamp{ctime: at(time.Minute)}, true},
		{"whole seconds, within two of them", stamp{ctime: time.Unix(999, 0).UnixNano()}, true},
		{"whole seconds, long before", stamp{ctime: time.Unix(990, 0).UnixNano()}, false},
		{"no change time, modified in the tick", stamp{mtime: at(-time.Millisecond)}, true},
		{"no change time, modified before", stamp{mtime: at(-time.Second + time.Millisecond)}, false},
	} {
		if got := c.s.racy(read); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestNotesFitWhatTheyWereTakenOf(t *testing.T) {
	s := stamp{mtime: 1, ctime: 2, size: 30, inode: 4}
	of := func(o outcome) note { return note{stamp: s, outcome: o} }
	for _, c := range []struct {
		name string
		n    note
		s    stamp
		max  int64
		want bool
	}{
		{"the same file", of(accepted), s, 30, true},
		{"a racy one", note{stamp: s, racy: true}, s, 30, false},
		{"another mtime", of(accepted), stamp{mtime: 9, ctime: 2, size: 30, inode: 4}, 30, false},
		{"another ctime", of(accepted), stamp{mtime: 1, ctime: 9, size: 30, inode: 4}, 30, false},
		{"another size", of(accepted), stamp{mtime: 1, ctime: 2, size: 9, inode: 4}, 30, false},
		{"another inode", of(accepted), stamp{mtime: 1, ctime: 2, size: 30, inode: 9}, 30, false},
		{"a limit that is smaller now", of(accepted), s, 29, false},
		{"still too large", of(tooLarge), s, 29, true},
		{"no longer too large", of(tooLarge), s, 30, false},
		{"unreadable, which may have healed", of(unreadable), s, 30, false},
	} {
		if got := c.n.fits(c.s, c.max); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
