package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
	"github.com/freshet/freshet/internal/idle"
	"golang.org/x/sync/semaphore"
)

// run is one call of Source.Run. It belongs to the goroutine of that call, but for troubles.
type run struct {
	source  *Source
	start   cdc.Start
	out     cdc.Inlet
	columns []int

	bucket   bucket
	eye      eye
	window   *window
	known    *blob.Known[note]
	troubles *troubles

	packer  *blob.Packer
	builder cdc.RowBuilder
	note    []byte // scratch

	parcels chan *parcel        // from whoever listens; nil: nobody does
	touched map[string]struct{} // keys that notifications told of since the present page was asked for

	caught  bool          // the first pass is done
	backoff time.Duration // before the next pass that may clear the guard
	read    int           // contents that could be read in this pass
	denied  int           // objects that could not be looked at in this pass
}

func newRun(s *Source, start cdc.Start, out cdc.Inlet) (*run, error) {
	packer, err := blob.NewPacker(out, start.Resume)
	if err != nil {
		return nil, err
	}
	s.durable.set(packer.Number())
	r := &run{source: s, start: start, out: out, columns: blob.Carried(start.Columns), packer: packer,
		window: newWindow(), known: blob.NewKnown(start.Ledger, decodeNote), touched: make(map[string]struct{}),
		troubles: &troubles{out: out, once: start.Once, words: s.fault}}
	r.eye = eye{maxSize: s.options.MaxSize, whole: blob.HoldsContent(r.columns), budget: semaphore.NewWeighted(lookBudget), insist: r.troubles.insist}
	for _, c := range r.columns {
		r.eye.sniffs = r.eye.sniffs || c == blob.MediaType
	}
	return r, nil
}

// work reads the bucket until ctx ends, the source is exhausted or a fault is not the bucket's.
func (r *run) work(ctx context.Context) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var end func()
	if err := r.troubles.persist(ctx, func() (err error) {
		r.bucket, end, err = r.source.open(ctx)
		return err
	}); err != nil {
		return err
	}
	defer end()
	var listening sync.WaitGroup
	defer func() {
		stop(nil)
		listening.Wait()
		r.window.working.Wait()
	}()
	r.eye.bucket = r.bucket
	if !r.start.Once {
		// Whoever tells of changes is listened to before the bucket is listed, so that nothing falls in between.
		if err := r.listen(ctx, &listening, stop); err != nil {
			return err
		}
	}
	if err := r.full(ctx); err != nil || r.start.Once {
		return cause(ctx, err)
	}
	return cause(ctx, r.follow(ctx))
}

// cause is why a run has ended whose context has: a listener may have ended it.
func cause(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

// full compares the whole bucket, until that succeeds, and says so when it was the first time.
func (r *run) full(ctx context.Context) error {
	first := !r.caught
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := r.compare(ctx, how{snapshot: first && (r.start.Resume == "" || r.start.Rescan), again: first && r.start.Rescan})
		if !errors.Is(err, errDenied) {
			if err = r.guarded(err); err != nil {
				return err
			}
			break
		}
		// What cannot be looked at has to be, by a copy of everything: what that does not give would be taken for gone.
		if err := r.packer.Flush(ctx); err != nil {
			return err
		}
		if err := r.troubles.stumble(err); err != nil {
			return err
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
	if err := r.packer.Flush(ctx); err != nil {
		return err
	}
	if !first {
		return nil
	}
	r.caught = true
	return r.out.CaughtUp(ctx)
}

// guarded lets a service live through the guard once it has caught up; the next pass may find the objects again.
func (r *run) guarded(err error) error {
	if !errors.Is(err, cdc.ErrGap) || !r.caught {
		r.backoff = 0
		return err
	}
	r.troubles.set(troubleGuard, err)
	r.backoff = min(max(2*r.backoff, time.Second), maxBackoff)
	return nil
}

const (
	maxBackoff = 5 * time.Minute
	// presence is how often the bucket itself is looked for while it is not listed.
	presence = 30 * time.Second
)

// interval is the time to the next pass.
func (r *run) interval() time.Duration {
	d := r.source.options.Reconcile
	if poll := r.source.options.Notify.Poll; poll > 0 {
		d = min(d, poll)
	}
	if r.backoff > 0 {
		d = min(d, r.backoff)
	}
	return d
}

// follow puts changes until ctx ends or a fault.
func (r *run) follow(ctx context.Context) error {
	again := time.NewTimer(r.interval())
	defer again.Stop()
	there := time.NewTicker(presence)
	defer there.Stop()
	for {
		if err := r.ripe(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case l := <-r.window.answered:
			if err := r.settle(ctx, l); err != nil {
				return err
			}
		case p := <-r.parcels:
			if err := r.open(ctx, p); err != nil {
				return err
			}
		case <-there.C:
			if err := r.troubles.persist(ctx, func() error { return r.bucket.present(ctx) }); err != nil {
				return err
			}
		case <-again.C:
			if err := r.full(ctx); err != nil {
				return err
			}
			again.Reset(r.interval())
		}
	}
}

// ripe puts what has been gathered where nothing more is under way, or it has waited for long.
func (r *run) ripe(ctx context.Context) error {
	if (!r.window.empty() || len(r.parcels) > 0) && !r.packer.Due() {
		return nil
	}
	return r.packer.Flush(ctx)
}
