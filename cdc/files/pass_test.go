package files_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

// slow is an inlet that takes its time, and does something at the first Put.
type slow struct {
	*cdctest.Inlet
	first func()
}

func (s *slow) Put(ctx context.Context, b *cdc.Batch) error {
	if s.first != nil {
		s.first()
		s.first = nil
	}
	<-time.After(15 * time.Millisecond)
	return s.Inlet.Put(ctx, b)
}

// A change need not wait for the end of a long first load.
func TestLiveChangesGoBetweenTheFilesOfALongPass(t *testing.T) {
	f := newCorpus(t, map[string]string{"00.md": "early"})
	const count = 30
	for i := 1; i <= count; i++ {
		f.write(fmt.Sprintf("%02d.txt", i), strings.Repeat("x", 400<<10))
	}
	in := cdctest.NewInlet()
	out := &slow{Inlet: in, first: func() { f.replace("00.md", "edited") }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- f.source().Run(ctx, in.Start(), out) })
	t.Cleanup(running.Wait)
	f.must(in.Wait(t.Context(), "caught up", func() bool { return in.Caught() > 0 }))
	stop()
	f.must(<-ended)
	edited, last := -1, -1
	for i, p := range in.Puts() {
		switch p.Key.Text() {
		case "00.md":
			if p.After.At(2).Text() == "edited" {
				edited = i
			}
		case fmt.Sprintf("%02d.txt", count):
			last = i
		}
	}
	if edited < 0 || edited > last {
		t.Errorf("the edit is change %d, the last file %d", edited, last)
	}
}

// A file that goes while the pass is under way was never there.
func TestWhatGoesDuringAPassIsGone(t *testing.T) {
	f := newCorpus(t, nil)
	for i := range 12 {
		f.write(fmt.Sprintf("d%02d/a.txt", i), strings.Repeat("x", 600<<10))
	}
	in := cdctest.NewInlet()
	out := &slow{Inlet: in, first: func() {
		f.remove("d00")
		f.remove("d11")
		f.must(os.Rename(f.path("d10"), f.path("d05/in")))
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- f.source().Run(ctx, in.Start(), out) })
	t.Cleanup(running.Wait)
	f.must(in.Wait(t.Context(), "caught up", func() bool { return in.Caught() > 0 }))
	f.in = in
	f.reaches(f.disk())
	stop()
	f.must(<-ended)
}
