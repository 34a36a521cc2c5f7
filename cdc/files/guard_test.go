package files_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
)

// many is a corpus of n files in one directory.
func many(t *testing.T, n int) *corpus {
	f := newCorpus(t, nil)
	for i := range n {
		f.write(fmt.Sprintf("dir/%02d.md", i), fmt.Sprint("text ", i))
	}
	return f
}

// I10: most of the files gone is a data guard, before any delete.
func TestTheGuardRefusesAMassDelete(t *testing.T) {
	for _, c := range []struct {
		name          string
		files, gone   int
		maxDelete     float64
		accept, trips bool
	}{
		{"more than half of twenty", 20, 11, 0, false, true},
		{"half of twenty", 20, 10, 0, false, false},
		{"all of nineteen", 19, 19, 0, false, false},
		{"all of thirty", 30, 30, 0, false, true},
		{"all of thirty, accepted", 30, 30, 0, true, false},
		{"all of thirty, where all may go", 30, 30, 1, false, false},
		{"a quarter, where a fifth may go", 40, 10, 0.2, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := many(t, c.files)
			f.load()
			for i := range c.gone {
				f.remove(fmt.Sprintf("dir/%02d.md", i))
			}
			f.write("new.md", "new")
			f.options.MaxDelete, f.options.AcceptDeletes = c.maxDelete, c.accept
			err := f.once()
			if !c.trips {
				f.must(err)
				f.holds(f.disk())
				return
			}
			if !errors.Is(err, cdc.ErrGap) || fault(err).Code != "data_guard" || !strings.Contains(fault(err).Hint, "--accept-deletes") ||
				!strings.Contains(fault(err).Error(), fmt.Sprintf("%d of %d", c.gone, c.files)) {
				t.Errorf("the run ends with %v", err)
			}
			for _, p := range f.in.Puts() {
				if p.Op == cdc.Delete {
					t.Errorf("%s is deleted", p.Key.Text())
				}
			}
			f.options.AcceptDeletes = true
			f.load()
			f.holds(f.disk())
		})
	}
}

func TestARunMayAcceptDeletes(t *testing.T) {
	f := many(t, 30)
	f.load()
	f.remove("dir")
	f.must(f.once(func(s *cdc.Start) { s.AcceptDeletes = true }))
	f.holds(map[string]string{})
}

func TestARenamedFolderIsNoMassDelete(t *testing.T) {
	f := many(t, 50)
	f.load()
	f.rename("dir", "guide/deep")
	f.load()
	f.holds(f.disk())
}

// A run whose first pass is over lives through the guard, shows it, and forgets it when the files are back.
func TestTheGuardOfAServiceIsAProblem(t *testing.T) {
	f := many(t, 30)
	f.options.Poll = 10 * time.Millisecond
	f.follow()
	want := f.disk()
	f.must(os.Rename(f.path("dir"), f.dir+".away"))
	f.wait("the guard", func() bool { return fault(f.in.Hindrance()).Code == "data_guard" })
	f.write("new.md", "new")
	want["new.md"] = "new"
	f.reaches(want)
	f.must(os.Rename(f.dir+".away", f.path("dir")))
	f.wait("the end of the guard", func() bool { return f.in.Hindrance() == nil })
	f.reaches(want)
}

// A folder that is moved away is still open, and its files can go without being deleted from the folder.
func TestAFolderThatVanishesWhileItIsPolled(t *testing.T) {
	f := many(t, 6)
	f.options.Poll = 5 * time.Millisecond
	f.follow()
	want := f.disk()
	f.must(os.Rename(f.dir, f.dir+".away"))
	f.must(os.RemoveAll(f.dir + ".away/dir"))
	f.wait("the problem", func() bool { return fault(f.in.Hindrance()).Code == "path_unreadable" })
	f.holds(want)
	f.must(os.Rename(f.dir+".away", f.dir))
	f.reaches(map[string]string{})
}

// Deletes that are seen to happen are meant.
func TestTheGuardLetsLiveDeletesPass(t *testing.T) {
	f := many(t, 60)
	f.write("keep.md", "keep")
	f.follow()
	f.remove("dir")
	f.reaches(map[string]string{"keep.md": "keep"})
}

func TestAFolderThatVanishesWhileItIsWatched(t *testing.T) {
	f := many(t, 30)
	f.follow()
	want := f.disk()
	f.must(os.Rename(f.dir, f.dir+".away"))
	f.wait("the problem", func() bool { return fault(f.in.Hindrance()).Code == "path_unreadable" })
	f.holds(want)
	f.must(os.Rename(f.dir+".away", f.dir))
	f.write("dir/05.md", "changed")
	want["dir/05.md"] = "changed"
	f.reaches(want)
	f.wait("the end of the problem", func() bool { return f.in.Hindrance() == nil })
	f.replace("dir/06.md", "and watched again")
	want["dir/06.md"] = "and watched again"
	f.reaches(want)
}
