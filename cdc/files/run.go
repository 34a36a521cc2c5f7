package files

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"github.com/freshet/freshet/internal/idle"
	"github.com/zeebo/xxh3"
)

// run is one call of Source.Run. It belongs to the goroutine of that call.
type run struct {
	source  *Source
	start   cdc.Start
	out     cdc.Inlet
	columns []int

	known    *blob.Known[note]
	reader   reader
	builder  cdc.RowBuilder
	troubles troubles

	packer *blob.Packer
	note   []byte // scratch

	root      *os.Root
	rootInfo  os.FileInfo
	places    places
	watch     *watch    // nil: the folder is polled
	unwatched time.Time // until then no watches are tried: their limit was reached
	looked    time.Time // when notices were looked at last
	busy      bool      // notices are being worked on

	caught  bool          // the first pass is done
	backoff time.Duration // before the next pass that may clear the guard
}

func newRun(s *Source, start cdc.Start, out cdc.Inlet) (*run, error) {
	packer, err := blob.NewPacker(out, start.Resume)
	if err != nil {
		return nil, err
	}
	columns := blob.Carried(start.Columns)
	return &run{
		source: s, start: start, out: out, columns: columns, packer: packer,
		known:  blob.NewKnown(start.Ledger, decodeNote),
		reader: reader{maxSize: s.options.MaxSize, whole: blob.HoldsContent(columns), hasher: xxh3.New()},
	}, nil
}

// loop works on the folder until ctx ends, the source is exhausted or a fault is not the folder's.
func (r *run) loop(ctx context.Context) error {
	for {
		err := r.session(ctx)
		var back *setback
		if err == nil || ctx.Err() != nil || !errors.As(err, &back) {
			return err
		}
		if fault, ok := errors.AsType[*cdc.SourceError](err); ok && fault.Code == "path_unreadable" && (!r.caught || r.start.Once) {
			return fault
		}
		if r.troubles.setback = back.err; errors.Is(err, errWatchLimit) {
			r.troubles.setback = nil // told as the limit
		}
		if r.troubles.tell(r.out) { // once, however long it lasts
			r.source.options.Logger.Warn("look at the folder anew", "path", r.source.options.Path, "cause", back.err)
		}
		if err := idle.For(ctx, back.pause); err != nil {
			return err
		}
	}
}

// session opens the folder, compares it whole and follows its changes. Its errors are setbacks or end
// the run; nil says that the source is exhausted.
func (r *run) session(ctx context.Context) (err error) {
	root, info, err := r.source.open()
	if err != nil {
		return &setback{err: err, pause: folderPause}
	}
	defer root.Close()
	r.root, r.rootInfo, r.places = root, info, places{root: root}
	defer r.places.close()

	r.watch = nil
	if !r.start.Once && r.source.options.Poll == 0 && !time.Now().Before(r.unwatched) {
		w, err := newWatch(r.source.options.Path)
		if err != nil {
			return r.setback(err)
		}
		collecting, stop := context.WithCancel(ctx)
		var collector sync.WaitGroup
		collector.Go(func() { w.run(collecting) })
		defer func() {
			stop()
			collector.Wait()
			err = errors.Join(err, w.close())
		}()
		r.watch = w
	}
	if err := r.full(ctx); err != nil {
		return r.setback(err)
	}
	if r.start.Once {
		return nil
	}
	return r.setback(r.follow(ctx))
}

// setback sorts a fault: those that a new look at the folder may mend become setbacks.
func (r *run) setback(err error) error {
	switch {
	case r.packer.Refused() != nil:
		return r.packer.Refused()
	case errors.As(err, new(*setback)):
		return err
	case errors.Is(err, errWatchLimit):
		r.troubles.limit, r.unwatched = err, time.Now().Add(r.source.options.Reconcile)
		return &setback{err: err}
	case err != nil && exhausted(err):
		return &setback{err: err, pause: busyPause}
	}
	return err
}

// full makes a pass over the folder and says so when it was the first.
func (r *run) full(ctx context.Context) error {
	first := !r.caught
	err := r.compare(ctx, r.root, "", how{
		snapshot: first && (r.start.Resume == "" || r.start.Rescan),
		rescan:   first && r.start.Rescan,
	})
	if errors.Is(err, cdc.ErrGap) && r.caught {
		// The service lives on and shows it; the next pass may find the files again.
		r.troubles.guard = err
		r.backoff = min(max(2*r.backoff, time.Second), time.Minute)
		err = nil
	} else {
		r.backoff = 0
	}
	if err != nil {
		return err
	}
	if err := r.packer.Flush(ctx); err != nil {
		return err
	}
	r.troubles.setback = nil
	if r.watch != nil {
		r.troubles.limit = nil
	}
	r.troubles.tell(r.out)
	if !first {
		return nil
	}
	r.caught = true
	return r.out.CaughtUp(ctx)
}

// fallbackPoll is the interval of passes while no watches can be had.
const fallbackPoll = 10 * time.Second

// interval is the time to the next pass.
func (r *run) interval() time.Duration {
	d := r.source.options.Reconcile
	switch {
	case r.source.options.Poll > 0:
		d = r.source.options.Poll
	case r.watch == nil:
		d = min(d, fallbackPoll)
	}
	if r.troubles.guard != nil {
		d = min(d, r.backoff)
	}
	return d
}

// presence is how often the folder itself is looked for: notices do not tell that another file system
// was mounted over it.
const presence = time.Second

// follow puts changes until ctx ends or a fault.
func (r *run) follow(ctx context.Context) error {
	again := time.NewTimer(r.interval())
	defer again.Stop()
	there := time.NewTicker(presence)
	defer there.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	var wake chan struct{}
	if r.watch != nil {
		wake = r.watch.wake
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-due.C:
		case <-there.C:
			if err := r.present(); err != nil {
				return err
			}
		case <-again.C:
			if r.watch == nil && r.source.options.Poll == 0 && time.Now().After(r.unwatched) {
				return &setback{err: r.troubles.limit} // try to watch again
			}
			if err := r.full(ctx); err != nil {
				return err
			}
			again.Reset(r.interval())
		}
		if r.watch == nil {
			continue
		}
		wait, err := r.live(ctx)
		if err != nil {
			return err
		}
		if wait > 0 {
			due.Reset(wait)
		}
	}
}

// present makes sure that the folder still stands at its path.
func (r *run) present() error {
	info, err := os.Stat(r.source.options.Path)
	if err == nil && !os.SameFile(info, r.rootInfo) {
		err = errors.New("another folder has taken its place")
	}
	if err != nil {
		return &setback{err: r.source.unreadable(err), pause: folderPause}
	}
	return nil
}
