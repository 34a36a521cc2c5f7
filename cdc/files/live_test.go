package files_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
)

func TestLiveChanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *corpus)
	}{
		{"a new file in new directories", func(f *corpus) { f.write("new/deep/er/x.md", "x") }},
		{"an edit in place", func(f *corpus) { f.write("a.md", "A") }},
		{"an edit by a file beside", func(f *corpus) { f.replace("a.md", "A") }},
		{"an append", func(f *corpus) {
			w, err := os.OpenFile(f.path("a.md"), os.O_APPEND|os.O_WRONLY, 0)
			f.must(err)
			_, err = w.WriteString(" and more")
			f.must(err)
			f.must(w.Close())
		}},
		{"a truncation", func(f *corpus) { f.must(os.Truncate(f.path("a.md"), 0)) }},
		{"an edit that sets mtime back", func(f *corpus) {
			info, err := os.Stat(f.path("a.md"))
			f.must(err)
			f.write("a.md", "A")
			f.must(os.Chtimes(f.path("a.md"), info.ModTime(), info.ModTime()))
		}},
		{"a delete", func(f *corpus) { f.remove("a.md") }},
		{"a delete of directories", func(f *corpus) { f.remove("d") }},
		{"a rename onto another file", func(f *corpus) { f.rename("a.md", "b.md") }},
		{"two files that swap their names", func(f *corpus) { f.rename("a.md", "t"); f.rename("b.md", "a.md"); f.rename("t", "b.md") }},
		{"a file that moves between directories", func(f *corpus) { f.rename("d/e/1.md", "x/y/1.md") }},
		{"a directory that moves", func(f *corpus) { f.rename("d", "far/away") }},
		{"a directory that moves, and an edit in it", func(f *corpus) { f.rename("d", "far/away"); f.write("far/away/e/1.md", "edited") }},
		{"directories that swap their names", func(f *corpus) { f.rename("d", "t"); f.rename("g", "d"); f.rename("t", "g") }},
		{"a directory that moves out", func(f *corpus) { f.must(os.Rename(f.path("d"), f.dir+".out")) }},
		{"a directory that is made anew", func(f *corpus) { f.remove("d"); f.write("d/e/1.md", "again") }},
		{"a directory that is replaced by a file", func(f *corpus) { f.remove("d"); f.write("d", "file") }},
		{"a file that is replaced by a directory", func(f *corpus) { f.remove("a.md"); f.write("a.md/in.md", "in") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newCorpus(t, map[string]string{"a.md": "a", "b.md": "b", "d/e/1.md": "1", "d/e/2.md": "2", "d/3.md": "3", "g/4.md": "4"})
			f.follow()
			c.change(f)
			f.reaches(f.disk())
			// Every directory that stands now is watched under the name that it has now.
			for rel, text := range f.disk() {
				f.write(rel, text+" afterwards")
			}
			f.reaches(f.disk())
		})
	}
}

// I11: both ends of a rename are one transaction.
func TestALiveRenameIsOneTransaction(t *testing.T) {
	f := newCorpus(t, map[string]string{"z.md": "text", "other.md": "x"})
	f.follow()
	before := len(f.in.Puts())
	f.rename("z.md", "a.md")
	f.reaches(map[string]string{"a.md": "text", "other.md": "x"})
	puts := f.in.Puts()[before:]
	if diff := cmp.Diff([]string{"delete z.md", "update a.md"}, f.ops()[before:]); diff != "" {
		t.Fatal(diff)
	}
	if puts[0].Position != puts[1].Position {
		t.Errorf("positions %x and %x", puts[0].Position, puts[1].Position)
	}
}

func TestRapidEditsAreTakenTogether(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "start"})
	f.follow()
	const edits = 1000
	began := time.Now()
	for i := range edits {
		f.write("a.md", fmt.Sprint("edit ", i))
	}
	took := time.Since(began)
	f.reaches(map[string]string{"a.md": fmt.Sprint("edit ", edits-1)})
	// One reading per patience while the writing lasts; on a busy machine the writer rests long enough for a
	// reading now and then, but by far not after each edit.
	if puts, most := len(f.in.Puts()), edits/5; puts > most {
		t.Errorf("%d edits in %v are put as %d changes, more than %d", edits, took, puts, most)
	}
}

// A file that is written for ever is seen all the same, and does not delay others.
func TestConstantWritingHidesNothing(t *testing.T) {
	f := newCorpus(t, map[string]string{"log.txt": "", "a.md": "a"})
	f.follow()
	w, err := os.OpenFile(f.path("log.txt"), os.O_APPEND|os.O_WRONLY, 0)
	f.must(err)
	defer w.Close()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = w.WriteString("line\n")
			}
		}
	})
	f.wait("lines of the log", func() bool { return strings.Count(f.texts()["log.txt"], "line") > 20 })
	f.write("a.md", "edited")
	f.wait("the edit of another file", func() bool { return f.texts()["a.md"] == "edited" })
	close(stop)
	writing.Wait()
	f.reaches(f.disk())
}

func TestASingleEditIsPutSoon(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a"})
	f.follow()
	best := time.Hour
	for i := range 10 { // the least of several, as the machine has other things to do
		text := fmt.Sprint("edit ", i)
		began := time.Now()
		f.replace("a.md", text)
		f.wait("the edit", func() bool { return f.texts()["a.md"] == text })
		best = min(best, time.Since(began))
	}
	if best > 50*time.Millisecond {
		t.Errorf("an edit takes %v", best)
	}
	t.Logf("an edit takes %v", best)
}

// I9: while a batch waits for credit, changes are remembered as paths, and none is lost.
func TestBackpressureLosesNoChange(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a", "d/b.md": "b"})
	f.follow()
	f.in.Hold()
	f.write("a.md", "held")
	f.wait("a Put that waits", func() bool { return f.in.Waiting() == 1 })
	for i := range 1000 {
		f.write(fmt.Sprintf("n%d/%d.md", i%30, i), fmt.Sprint(i))
	}
	f.rename("d", "e")
	f.remove("n7")
	f.write("a.md", "last")
	f.in.Release()
	f.reaches(f.disk())
}

// A directory keeps its watches, under the old name, when it moves. The old name may become due after
// the new one, as it does here; it must not take the new watches with it.
func TestAMovedDirectoryIsWatchedWhileItsOldNameIsBusy(t *testing.T) {
	f := newCorpus(t, map[string]string{"d/e/1.md": "1"})
	f.follow()
	f.rename("d", "g")
	for range 10 {
		f.must(os.Mkdir(f.path("d"), 0o755))
		<-time.After(2 * time.Millisecond)
		f.must(os.Remove(f.path("d")))
		<-time.After(2 * time.Millisecond)
	}
	f.reaches(f.disk())
	f.rest()
	f.write("g/e/1.md", "edited")
	f.reaches(f.disk())
}

// A file with two names is two rows; the system tells of the name that a change came by.
func TestAHardLinkIsARowOfItsOwn(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a"})
	f.options.Reconcile = 50 * time.Millisecond
	f.follow()
	f.must(os.Link(f.path("a.md"), f.path("b.md")))
	f.reaches(map[string]string{"a.md": "a", "b.md": "a"})
	f.write("a.md", "A") // the next pass sees it under the other name
	f.reaches(map[string]string{"a.md": "A", "b.md": "A"})
	f.remove("a.md")
	f.reaches(map[string]string{"b.md": "A"})
}

func TestRejectsLive(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a"})
	f.options.MaxSize = 10
	f.follow()
	f.write("a.md", strings.Repeat("x", 11))
	f.reaches(map[string]string{})
	f.write("b\xff.md", "b")
	f.wait("the odd name", func() bool {
		puts := f.in.Puts()
		last := puts[len(puts)-1]
		return last.Op == cdc.Reject && last.Key.Text() == `./b\xFF.md`
	})
	f.write("a.md", "short")
	f.rename("b\xff.md", "b.md")
	f.reaches(map[string]string{"a.md": "short", "b.md": "b"})
	f.halt()
	f.load()
	f.holds(map[string]string{"a.md": "short", "b.md": "b"})
	for _, op := range f.ops() {
		if strings.Contains(op, "xFF") {
			t.Errorf("after a restart: %s", op)
		}
	}
}
