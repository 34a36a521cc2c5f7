package s3

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/s3/s3test"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// life is a flow over a bucket whose notifications lie, in a bubble of fake time.
type life struct {
	t       *testing.T
	bucket  *s3test.Bucket
	source  *Source
	in      *cdctest.Inlet
	stop    context.CancelFunc
	ended   chan error
	posted  sync.WaitGroup
	parcels atomic.Pointer[chan *parcel] // of the present run
	sieve   *sieve
	columns [][]int
	dropped atomic.Int64 // notifications that never came
}

const period = time.Hour // of the listings in these tests

func newLife(t *testing.T, seed uint64, latest time.Duration, columns [][]int) *life {
	l := &life{t: t, bucket: s3test.NewBucket("docs"), in: cdctest.NewInlet(), columns: columns, sieve: &sieve{bucket: "docs"}}
	source, err := New(Options{Bucket: "docs", Reconcile: period, MaxDelete: 1})
	if err != nil {
		t.Fatal(err)
	}
	l.source = source
	l.source.open = (&direct{bucket: l.bucket, latest: latest, random: rand.New(rand.NewPCG(seed, 1))}).open
	return l
}

// start begins a run behind what is durable.
func (l *life) start() {
	start := l.in.Start()
	start.Columns = l.columns
	r, err := newRun(l.source, start, l.in)
	if err != nil {
		l.t.Fatal(err)
	}
	r.parcels = make(chan *parcel, maxParcels)
	l.parcels.Store(&r.parcels)
	ctx, stop := context.WithCancel(l.t.Context())
	l.stop, l.ended = stop, make(chan error, 1)
	ended := l.ended
	l.posted.Go(func() { ended <- r.work(ctx) })
}

// crash ends the run; what is durable then is what was put up to some change.
func (l *life) crash(durable int) {
	l.end()
	if puts := l.in.Puts(); len(puts) > 0 {
		l.in.Durable(puts[durable%len(puts)].Position)
	}
	l.in = l.in.Crash()
	l.in.Defer()
	l.start()
}

func (l *life) end() {
	l.stop()
	if err := <-l.ended; err != nil && err != context.Canceled {
		l.t.Errorf("the run ends with %v", err)
	}
	if err := l.in.Verify(); err != nil {
		l.t.Error(err)
	}
}

// tell delivers a notification after a time, to whichever run is there then.
func (l *life) tell(key, sequencer string, after time.Duration) {
	l.posted.Go(func() {
		time.Sleep(after)
		taken, err := l.sieve.offer(fmt.Appendf(nil, `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"docs"},"object":{"key":%q,"sequencer":%q}}}]}`, key, sequencer), func(keys []string) bool { return hand(*l.parcels.Load(), keys) })
		if err != nil {
			l.t.Error(err)
		}
		if !taken {
			l.dropped.Add(1)
		}
	})
}

// rows are those of the inlet: the text, or where rows carry none the ETag.
func (l *life) rows() map[string]string {
	got := make(map[string]string)
	for name, row := range l.in.Rows() {
		got[name[2:]] = row.At(row.Len() - 1).Text()
	}
	return got
}

// wants are the rows that the bucket makes.
func (l *life) wants(column int) map[string]string {
	want := make(map[string]string)
	all, _ := l.bucket.List("", "", 1<<40)
	for _, o := range all {
		want[o.Key] = string(o.Content)
		if column == 5 {
			want[o.Key] = o.ETag
		}
	}
	return want
}

// Whatever is done to the bucket, and whatever becomes of the notifications (dropped, repeated, late, out of order, with
// or without sequencers), with answers that are late, crashes and credit that runs out: a reconcile period after
// the last change the rows are the objects. Where every notification came at least once they are so before any
// listing, and no row ever falls back to what stood there before. I1, I4, I6.
func TestEveryFaultScheduleEndsAsTheBucketStands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		latest := time.Duration(rapid.IntRange(0, 5).Draw(rt, "latency")) * time.Second
		column := rapid.SampledFrom([]int{2, 5}).Draw(rt, "column")
		honest := rapid.Bool().Draw(rt, "honest")
		reconcile := rapid.SampledFrom([]time.Duration{15 * time.Second, period}).Draw(rt, "reconcile")
		steps := rapid.SliceOfN(rapid.IntRange(0, 1<<30), 1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			l := newLife(t, seed, latest, [][]int{{0, column}})
			l.source.options.Reconcile = reconcile
			l.play(rand.New(rand.NewPCG(seed, 2)), steps, honest)
			time.Sleep(period / 4) // the latest notification is late by minutes
			synctest.Wait()
			if diff := cmp.Diff(l.wants(column), l.rows()); l.dropped.Load() == 0 && diff != "" {
				rt.Errorf("rows before a listing (-want +got):\n%s", diff)
			}
			time.Sleep(period + time.Minute)
			synctest.Wait()
			if diff := cmp.Diff(l.wants(column), l.rows()); diff != "" {
				rt.Errorf("rows (-want +got):\n%s", diff)
			}
			l.end()
			l.posted.Wait()
			l.rises(rt, len(steps))
		})
	})
}

// rises makes sure that no row falls back to an older content.
func (l *life) rises(rt *rapid.T, steps int) {
	numbers := make(map[string]int)
	for n := range steps + 1 {
		content := fmt.Sprint("step ", n)
		numbers[content], numbers[s3test.ETag(content)] = n, n
	}
	last := make(map[string]int)
	for _, p := range l.in.Puts() {
		if p.After == nil {
			continue
		}
		key, content := p.Key.Text(), p.After.At(1).Text()
		n, ok := numbers[content]
		if !ok || n < last[key] {
			rt.Errorf("%s was of step %d and then %s, of step %d", key, last[key], content, n)
		}
		last[key] = n
	}
}

// play does one thing a step.
func (l *life) play(random *rand.Rand, steps []int, honest bool) {
	key := func(n int) string { return "k" + strconv.Itoa(n%23) }
	for n := range 20 {
		l.bucket.Put(key(n), "step 0")
	}
	l.start()
	for i, step := range steps {
		sequencer := ""
		if step%2 == 0 {
			sequencer = fmt.Sprintf("%018X", i+1)
		}
		k := key(step / 16)
		switch {
		case step%16 == 15:
			l.crash(step / 16)
			continue
		case step%16 == 14:
			l.in.Hold()
			time.Sleep(time.Duration(random.Int64N(int64(time.Minute))))
			l.in.Release()
			continue
		case step%16 < 5:
			l.bucket.Delete(k)
		default:
			l.bucket.Put(k, fmt.Sprint("step ", i+1))
		}
		copies := random.IntN(4)
		if honest {
			copies = max(copies, 1)
		} else if copies == 0 {
			l.dropped.Add(1)
		}
		for range copies {
			late := 2 * time.Second
			if random.IntN(2) == 0 {
				late = 2 * time.Minute
			}
			l.tell(k, sequencer, time.Duration(random.Int64N(int64(late))))
		}
		time.Sleep(time.Duration(random.Int64N(int64(10 * time.Second))))
	}
}

// Ten thousand objects, of whose notifications 30 % are dropped, 30 % come twice and all are shuffled: the rows are the
// bucket within one reconcile period.
func TestTenThousandObjectsWhoseNotificationsLie(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	objects := 10_000
	if os.Getenv("FRESHET_SOAK") == "1" {
		objects = 100_000
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, 3, 100*time.Millisecond, [][]int{{0, 2}})
		random := rand.New(rand.NewPCG(3, 3))
		l.start()
		synctest.Wait()
		var told []string
		dropped, doubled := 0, 0
		tell := func(key string) {
			switch {
			case random.Float64() < 0.3:
				dropped++
				return
			case random.Float64() < 0.3:
				doubled++
				told = append(told, key)
			}
			told = append(told, key)
		}
		for i := range objects {
			key := fmt.Sprintf("d%02d/%05d", i%37, i)
			l.bucket.Put(key, fmt.Sprint("first ", i))
			tell(key)
			if i%3 == 0 {
				l.bucket.Put(key, fmt.Sprint("second ", i))
				tell(key)
			}
			if i%5 == 0 {
				l.bucket.Delete(key)
				tell(key)
			}
		}
		random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		for _, key := range told {
			*l.parcels.Load() <- &parcel{keys: []string{key}}
		}
		synctest.Wait()
		missed := len(l.wants(2)) - len(l.rows())
		time.Sleep(period + time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(l.wants(2), l.rows()); diff != "" {
			t.Errorf("rows (-want +got):\n%.2000s", diff)
		}
		t.Logf("%d notifications dropped, %d doubled; %d rows were missing before the listing, %d objects are there", dropped, doubled, missed, len(l.rows()))
		l.end()
		l.posted.Wait()
	})
}
