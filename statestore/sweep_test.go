package statestore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/statestore"
)

const grace = 7 * 24 * time.Hour

var sweepStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func fpOf(n int) statestore.Fingerprint {
	r := rand.New(rand.NewPCG(uint64(n), 99))
	var fp statestore.Fingerprint
	for i := range fp {
		fp[i] = byte(r.Uint32())
	}
	return fp
}

// sweeper is the loop of an engine as far as a sweep is concerned.
type sweeper struct {
	t     *testing.T
	db    *statestore.DB
	live  map[statestore.Fingerprint]bool
	now   time.Time
	limit int
}

func newSweeper(t *testing.T, db *statestore.DB) *sweeper {
	return &sweeper{t: t, db: db, live: map[statestore.Fingerprint]bool{}, now: sweepStart}
}

func (s *sweeper) put(ns ...int) {
	s.t.Helper()
	var entries []statestore.Entry
	for _, n := range ns {
		entries = append(entries, statestore.Entry{Fingerprint: fpOf(n), Value: fmt.Appendf(nil, "result %d", n)})
	}
	if err := s.db.Memo.Put(entries); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sweeper) mark(_ context.Context, from, to statestore.Fingerprint, mark func(statestore.Fingerprint)) error {
	for fp, live := range s.live {
		if live && fp.Compare(from) >= 0 && fp.Compare(to) <= 0 {
			mark(fp)
			mark(fp) // an owner more that refers to it
		}
	}
	return nil
}

func (s *sweeper) options() statestore.SweepOptions {
	return statestore.SweepOptions{Live: s.mark, Now: s.now, Grace: grace, Entries: s.limit}
}

func (s *sweeper) plan(o statestore.SweepOptions) (*statestore.SweepPlan, *statestore.Batch) {
	s.t.Helper()
	b := s.db.State.NewBatch()
	plan, err := s.db.PlanSweep(s.t.Context(), b, s.db.DurableEpoch()+1, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan, b
}

// sweep runs both steps over the whole memo.
func (s *sweeper) sweep() (total statestore.SweepStats) {
	s.t.Helper()
	o := s.options()
	for {
		plan, b := s.plan(o)
		if err := s.db.CommitEpoch(b, plan.Epoch); err != nil {
			s.t.Fatal(err)
		}
		stats, err := s.db.FinishSweep(s.t.Context(), plan)
		if err != nil {
			s.t.Fatal(err)
		}
		total.Entries += stats.Entries
		total.Bytes += stats.Bytes
		total.Live += stats.Live
		total.Stamped += stats.Stamped
		total.Reprieved += stats.Reprieved
		total.Condemned += stats.Condemned
		total.Deleted += stats.Deleted
		total.Dangling += stats.Dangling
		if plan.Done {
			return total
		}
		o.From = plan.Next
	}
}

func (s *sweeper) want(what string, ns ...int) {
	s.t.Helper()
	for _, n := range ns {
		value, ok, err := s.db.Memo.Get(fpOf(n))
		if err != nil || !ok || string(value) != fmt.Sprintf("result %d", n) {
			s.t.Errorf("%s: entry %d: %q %v %v, want a hit", what, n, value, ok, err)
		}
	}
}

func (s *sweeper) wantMiss(what string, ns ...int) {
	s.t.Helper()
	for _, n := range ns {
		_, got, err := s.db.Memo.Get(fpOf(n))
		has, hasErr := s.db.Memo.Has(fpOf(n))
		if err := errors.Join(err, hasErr); err != nil || got || has {
			s.t.Errorf("%s: entry %d: get %v, has %v, %v, want misses", what, n, got, has, err)
		}
	}
}

func TestASweepDeletesWhatNothingReferredToForTheGraceTime(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		t.Run(fmt.Sprintf("%d entries a plan", limit), func(t *testing.T) {
			db := openDB(t, vfs.NewMem(), "state")
			defer closeDB(t, db)
			s := newSweeper(t, db)
			s.limit = limit
			s.put(1, 2, 3, 4, 5)
			s.live[fpOf(1)], s.live[fpOf(2)], s.live[fpOf(77)] = true, true, true

			got := s.sweep()
			want := statestore.SweepStats{Entries: 5, Bytes: 5 * 8, Live: 2, Stamped: 3, Dangling: 2}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("first sweep (-want +got):\n%s", diff)
			}
			s.want("within the grace time", 1, 2, 3, 4, 5)

			s.now = s.now.Add(grace / 2)
			s.live[fpOf(2)], s.live[fpOf(3)] = false, true
			if got := s.sweep(); got.Reprieved != 1 || got.Stamped != 1 || got.Deleted != 0 {
				t.Errorf("second sweep: %+v, want one reprieved and one stamped", got)
			}
			s.now = s.now.Add(grace / 2)
			if got := s.sweep(); got.Condemned != 2 || got.Deleted != 2 {
				t.Errorf("third sweep: %+v, want the two that were never referred to deleted", got)
			}
			s.want("after the grace time", 1, 2, 3)
			s.wantMiss("after the grace time", 4, 5)

			s.now = s.now.Add(grace / 2)
			if got := s.sweep(); got.Deleted != 1 {
				t.Errorf("fourth sweep: %+v, want entry 2 deleted", got)
			}
			s.put(4)
			s.live[fpOf(4)] = false
			s.now = s.now.Add(grace - time.Minute)
			if got := s.sweep(); got.Deleted != 0 || got.Stamped != 1 {
				t.Errorf("fifth sweep: %+v; an entry that came back has a grace time of its own", got)
			}
			s.want("at the end", 1, 3, 4)
		})
	}
}

// dying returns a state in which entries 1 and 2 are condemned by the returned plan, whose batch is
// not committed yet; entry 3 is live.
func dying(t *testing.T, fs vfs.FS) (*sweeper, *statestore.SweepPlan, *statestore.Batch) {
	t.Helper()
	s := newSweeper(t, openDB(t, fs, "state"))
	s.put(1, 2, 3)
	s.live[fpOf(3)] = true
	s.sweep()
	s.now = s.now.Add(grace)
	plan, b := s.plan(s.options())
	if plan.Stats.Condemned != 2 {
		t.Fatalf("plan %+v, want two condemned", plan.Stats)
	}
	return s, plan, b
}

func TestACondemnedEntryIsAMissAtOnceAndAPutPardonsIt(t *testing.T) {
	s, plan, b := dying(t, vfs.NewMem())
	defer closeDB(t, s.db)
	s.wantMiss("condemned", 1, 2)
	s.want("live", 3)
	s.put(2)
	s.want("put again", 2)
	if err := s.db.CommitEpoch(b, plan.Epoch); err != nil {
		t.Fatal(err)
	}
	stats, err := s.db.FinishSweep(t.Context(), plan)
	if err != nil || stats.Deleted != 1 {
		t.Fatalf("finish: %+v %v, want one deleted", stats, err)
	}
	s.want("after the sweep", 2, 3)
	s.wantMiss("after the sweep", 1)
}

func TestASweepWaitsForItsEpoch(t *testing.T) {
	s, plan, b := dying(t, vfs.NewMem())
	defer closeDB(t, s.db)
	if _, err := s.db.FinishSweep(t.Context(), plan); err == nil {
		t.Fatal("finished before the epoch was durable")
	}
	if _, err := s.db.PlanSweep(t.Context(), s.db.State.NewBatch(), 99, s.options()); err == nil {
		t.Fatal("a second plan while one is open")
	}
	if err := s.db.CommitEpoch(b, plan.Epoch); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.db.FinishSweep(ctx, plan); !errors.Is(err, context.Canceled) {
		t.Fatalf("finish under a cancelled context: %v", err)
	}
	s.wantMiss("cancelled in the middle", 1, 2)
	if stats, err := s.db.FinishSweep(t.Context(), plan); err != nil || stats.Deleted != 2 {
		t.Fatalf("finish again: %+v %v", stats, err)
	}
}

func TestAnAbandonedSweepLeavesEverything(t *testing.T) {
	s, plan, _ := dying(t, vfs.NewMem())
	defer closeDB(t, s.db)
	s.db.AbandonSweep(plan)
	s.want("abandoned", 1, 2, 3)
	if plan, _ := s.plan(s.options()); plan.Stats.Condemned != 2 {
		t.Errorf("the next plan: %+v, want the same two condemned", plan.Stats)
	}
}

// TestACrashBetweenTheStepsOfASweepDeletesNothing: I2, only a durable epoch lets go of an entry.
func TestACrashBetweenTheStepsOfASweepDeletesNothing(t *testing.T) {
	for _, committed := range []bool{false, true} {
		fs := vfs.NewCrashableMem()
		s, plan, b := dying(t, fs)
		if committed {
			if err := s.db.CommitEpoch(b, plan.Epoch); err != nil {
				t.Fatal(err)
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{})
		closeDB(t, s.db)
		s.db = openDB(t, crashed, "state")
		s.want("after the crash", 1, 2, 3)
		stats := s.sweep()
		if committed && stats.Stamped != 2 || !committed && stats.Deleted != 2 {
			t.Errorf("sweep after a crash, committed %v: %+v", committed, stats)
		}
		closeDB(t, s.db)
	}
}

func TestAMarkThatFailsDeletesNothing(t *testing.T) {
	db := openDB(t, vfs.NewMem(), "state")
	defer closeDB(t, db)
	s := newSweeper(t, db)
	s.put(1, 2)
	s.sweep()
	s.now = s.now.Add(2 * grace)
	cut := errors.New("scan was cut short")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, broken := range map[string]struct {
		ctx  context.Context
		live func(context.Context, statestore.Fingerprint, statestore.Fingerprint, func(statestore.Fingerprint)) error
		want error
	}{
		"the scan of the owners fails": {t.Context(), func(_ context.Context, _, _ statestore.Fingerprint, mark func(statestore.Fingerprint)) error {
			mark(fpOf(1))
			return cut
		}, cut},
		"the context ends": {cancelled, s.mark, context.Canceled},
	} {
		o := s.options()
		o.Live = broken.live
		b := db.State.NewBatch()
		if _, err := db.PlanSweep(broken.ctx, b, 50, o); !errors.Is(err, broken.want) {
			t.Errorf("%s: %v, want %v", name, err, broken.want)
		}
		if b.Count() != 0 {
			t.Errorf("%s: %d writes in the batch", name, b.Count())
		}
		s.want(name, 1, 2)
	}
	if stats := s.sweep(); stats.Deleted != 2 {
		t.Errorf("sweep after failed ones: %+v", stats)
	}
}

// TestAPutDuringASweepIsNeverLost races results that come back against the delete of the same
// entries: once Put has returned, the entry is there (I7).
func TestAPutDuringASweepIsNeverLost(t *testing.T) {
	s, plan, b := dying(t, vfs.NewMem())
	defer closeDB(t, s.db)
	for round := range 40 {
		if round > 0 {
			s.now = s.now.Add(grace)
			s.sweep() // stamps what was deleted and came back
			s.now = s.now.Add(grace)
			plan, b = s.plan(s.options())
		}
		if err := s.db.CommitEpoch(b, plan.Epoch); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for n := range 2 {
			wg.Go(func() {
				entry := statestore.Entry{Fingerprint: fpOf(n + 1), Value: fmt.Appendf(nil, "result %d", n+1)}
				if err := s.db.Memo.Put([]statestore.Entry{entry}); err != nil {
					t.Error(err)
				}
				if ok, err := s.db.Memo.Has(entry.Fingerprint); !ok || err != nil {
					t.Errorf("round %d: entry %d after its put: %v %v", round, n+1, ok, err)
				}
			})
		}
		if _, err := s.db.FinishSweep(t.Context(), plan); err != nil {
			t.Error(err)
		}
		wg.Wait()
		s.want(fmt.Sprint("after round ", round), 1, 2, 3)
	}
}
