package vector

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/freshet/freshet/sinks/vector/kernel"
)

// tuning is how much a search reads. Maintenance sets it from measurements on live rows.
type tuning struct {
	probed   atomic.Int64 // lists of each partition; 0 until measured
	sketches atomic.Int64 // rows that sketches leave over; 0 until measured

	layout *layout // for which probed was measured; the maintainer's
	rows   int
}

const (
	probesFirst   = 32   // before anything was measured
	probesLeast   = 8    // below this centroids are too coarse to trust
	sketchesFirst = 1024 // before anything was measured, or a 64th of all rows
	sketchesLeast = 256
)

// probes returns how many lists to read.
func (t *tuning) probes(l *layout) int {
	if n := int(t.probed.Load()); n > 0 {
		return n
	}
	return max(probesFirst, len(l.newest().lists)/32)
}

// sketched returns how many rows of a scan to rank by their codes.
func (t *tuning) sketched(rows int) int {
	if n := int(t.sketches.Load()); n > 0 {
		return n
	}
	return max(sketchesFirst, rows/64)
}

// tuneSample is how many queries a measurement takes.
const tuneSample = 128

// retune measures how much must be read for the target recall, when the index has changed enough to ask again.
func (x *Index) retune(ctx context.Context) error {
	v := x.view(false)
	defer v.Close()
	st, t := v.state, &x.tune
	partitioned := !st.layout.newest().flat()
	sketched := st.rows >= sketchFrom(x.enc.set) && (!partitioned || x.enc.set == kernel.Portable)
	if !partitioned && !sketched || len(st.layout.parts) > 1 {
		return nil
	}
	grown := math.Abs(float64(st.rows-t.rows)) > 0.2*float64(t.rows)
	if t.layout != nil && !grown && len(t.layout.newest().lists) == len(st.layout.newest().lists) {
		return nil
	}
	probes, err := v.sampleProbes(ctx, tuneSample, rand.New(rand.NewPCG(uint64(st.rows), st.epoch)))
	if err != nil || len(probes) == 0 {
		return err
	}
	if partitioned {
		err = x.tuneKnob(ctx, v, probes, &t.probed, probesLeast, len(st.layout.newest().lists))
	}
	if err == nil && sketched {
		err = x.tuneKnob(ctx, v, probes, &t.sketches, sketchesLeast, st.rows)
	}
	if err != nil {
		return err
	}
	t.layout, t.rows = st.layout, st.rows
	return nil
}

// tuneKnob doubles a knob from its least value until the sample reaches the target, halves what lies between that
// and the value before as often as tells an eighth of it, and then adds a half, since queries are not the sample.
func (x *Index) tuneKnob(ctx context.Context, v *View, probes []probe, knob *atomic.Int64, least, most int) (err error) {
	before := knob.Load()
	defer func() {
		if err != nil {
			knob.Store(before)
		}
	}()
	reaches := func(n int) (bool, error) {
		knob.Store(int64(n))
		recall, _, err := v.recall(ctx, probes)
		return recall >= x.opts.TargetRecall, err
	}
	enough, tooFew := min(least, most), 0
	for {
		reached, err := reaches(enough)
		if err != nil {
			return err
		}
		if reached || enough == most {
			break
		}
		enough, tooFew = min(2*enough, most), enough
	}
	for tooFew > 0 && enough-tooFew > max(enough/8, 1) {
		middle := (tooFew + enough) / 2
		reached, err := reaches(middle)
		if err != nil {
			return err
		}
		if reached {
			enough = middle
		} else {
			tooFew = middle
		}
	}
	knob.Store(int64(min(enough+enough/2, most)))
	return nil
}
