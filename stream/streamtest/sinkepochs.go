package streamtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/freshet/freshet/stream"
)

// random makes an epoch of some rows of few keys.
func randomEpoch(rng *rand.Rand, number uint64) sinkEpoch {
	e := sinkEpoch{number: number}
	for _, i := range rng.Perm(24)[:1+rng.IntN(12)] {
		r := sinkRow{owner: fmt.Sprintf("o%d", i/4), part: int64(i % 4), remove: rng.IntN(3) == 0}
		if text := fmt.Sprintf("text %d", rng.IntN(5)); rng.IntN(4) > 0 {
			r.text = &text
		}
		if number := rng.NormFloat64(); rng.IntN(2) > 0 {
			r.number = &number
		}
		e.rows = append(e.rows, r)
	}
	return e
}

func (c *sinkCase) randomEpochs() {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c.reopen()
		for range 40 {
			var epochs []sinkEpoch
			for range 1 + rng.IntN(3) {
				next := c.epoch + 1 + uint64(len(epochs)) + uint64(rng.IntN(2))
				if n := len(epochs); n > 0 {
					next = epochs[n-1].number + 1
				}
				epochs = append(epochs, randomEpoch(rng, next))
			}
			c.apply(epochs...)
			if rng.IntN(8) == 0 {
				c.reopen()
				c.verify("after a restart")
			}
		}
		c.verify("in the end")
	}
}

// I3: what comes again, as after a lost ack, leaves the target as it is.
func (c *sinkCase) replaySuffix() {
	c.open()
	rng := rand.New(rand.NewPCG(7, 1))
	var history []sinkEpoch
	for n := range uint64(12) {
		e := randomEpoch(rng, n+1)
		history = append(history, e)
		c.apply(e)
	}
	for from := range history {
		for _, e := range history[from:] {
			if err := c.try(context.Background(), c.generation, e); err != nil {
				c.t.Fatalf("apply epoch %d again: %v", e.number, err)
			}
		}
		c.verify(fmt.Sprintf("after epochs from %d on came again", from+1))
		if err := c.try(context.Background(), c.generation, history[from:]...); err != nil {
			c.t.Fatalf("apply epochs from %d again: %v", from+1, err)
		}
		c.verify(fmt.Sprintf("after epochs from %d on came again as one range", from+1))
	}
	longer := append(history[9:len(history):len(history)], randomEpoch(rng, 13))
	if err := c.try(context.Background(), c.generation, longer...); err != nil {
		c.t.Fatalf("apply a range that is partly known: %v", err)
	}
	c.learn(longer[len(longer)-1])
	c.verify("after a range that is partly known")
}

// I3: an ack that was late must not undo what came since.
func (c *sinkCase) lateEpoch() {
	c.open()
	early := sinkEpoch{1, []sinkRow{textRow("a", 1, "old"), textRow("b", 1, "old"), textRow("gone", 1, "old")}}
	c.apply(early)
	c.apply(sinkEpoch{2, []sinkRow{textRow("a", 1, "new"), {owner: "gone", part: 1, remove: true}}})
	c.apply(sinkEpoch{3, []sinkRow{textRow("b", 1, "newer")}})
	if err := c.try(context.Background(), c.generation, early); err != nil {
		c.t.Fatalf("apply a late epoch: %v", err)
	}
	c.verify("after the late epoch")
	c.reopen()
	c.verify("and after a restart")
}

func (c *sinkCase) rangeOfEpochs() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("kept", 0, "x"), textRow("a", 1, "one"), textRow("b", 1, "one")}},
		sinkEpoch{2, []sinkRow{textRow("a", 1, "two"), {owner: "b", part: 1, remove: true}}},
		sinkEpoch{3, []sinkRow{{owner: "a", part: 1, remove: true}, textRow("b", 1, "three")}})
	c.verify("after a range")
}

var errUnreadable = errors.New("the effect cannot be read")

func (c *sinkCase) brokenEffects() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 1, "x"), textRow("b", 1, "x")}})
	next := sinkEpoch{2, []sinkRow{textRow("a", 1, "y"), {owner: "b", part: 1, remove: true}, textRow("c", 1, "y")}}
	for cut := range len(next.rows) {
		txn := c.txn(c.generation, next)
		txn.Effects = cutOff(txn.Effects, cut)
		if err := c.writer.Apply(context.Background(), txn); !errors.Is(err, errUnreadable) {
			c.t.Fatalf("a range that breaks off after %d effects ends with %v", cut, err)
		}
		if c.traits.Transactions {
			c.verify("after a range that breaks off")
		}
	}
	large := c.txn(c.generation, sinkEpoch{2, []sinkRow{textRow("large", 1, strings.Repeat("x", 1<<20)), textRow("a", 1, "y")}})
	large.Effects = cutOff(large.Effects, 1)
	if err := c.writer.Apply(context.Background(), large); !errors.Is(err, errUnreadable) {
		c.t.Fatalf("a range that breaks off after a large row ends with %v", err)
	}
	c.apply(next)
	c.verify("after the whole range")
	c.reopen()
	c.verify("and after a restart")
}

func cutOff(effects iter.Seq2[stream.Effect, error], after int) iter.Seq2[stream.Effect, error] {
	return func(yield func(stream.Effect, error) bool) {
		n := 0
		for e, err := range effects {
			if n++; n > after {
				yield(stream.Effect{}, errUnreadable)
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (c *sinkCase) cancelled() {
	c.open()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for n := range uint64(5) {
		e := sinkEpoch{n + 1, []sinkRow{textRow("a", int64(n), strings.Repeat("x", 1000))}}
		if err := c.try(ctx, c.generation, e); err != nil && c.traits.Transactions {
			c.verify("after a call that was cancelled")
		}
		c.apply(e)
		c.verify("after the call was repeated")
	}
}

func (c *sinkCase) triedApart() {
	c.open()
	c.apply(sinkEpoch{1, []sinkRow{textRow("a", 1, "x")}})
	e := sinkEpoch{2, []sinkRow{textRow("a", 1, "y"), textRow("b", 1, "y")}}
	txn := c.txn(c.generation, e)
	txn.First, txn.Last = 0, 0
	if err := c.writer.Apply(context.Background(), txn); err != nil {
		c.t.Fatalf("try rows apart: %v", err)
	}
	c.reopen()
	if c.progress.Epoch != 1 || c.progress.Wiped {
		c.t.Errorf("after rows were tried apart the progress is %+v", c.progress)
	}
	c.apply(e)
	c.verify("after the range that they belong to")
}

// I8: a writer replaces documents while readers look on.
func (c *sinkCase) readers() {
	if !c.traits.Transactions {
		c.t.Skip("the target has no transactions; its guarantee is by row")
	}
	c.open()
	const parts, epochs, enough, bound = 40, 150, 30, 20000
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var reads atomic.Int64
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			rows, err := c.harness.Rows(c.writer)
			if err != nil {
				c.t.Errorf("read while Apply runs: %v", err)
				return
			}
			reads.Add(1)
			versions := map[uint64]int{}
			for _, r := range rows {
				versions[r.Version]++
			}
			if len(versions) > 1 || len(rows) != 0 && len(rows) != parts {
				c.t.Errorf("half a range is seen: %v", versions)
				return
			}
		}
	})
	// A reader that is slower than the writer has its looks all the same.
	for n := uint64(0); n < epochs || reads.Load() < enough && n < bound && !c.t.Failed(); n++ {
		e := sinkEpoch{number: n + 1}
		for i := range parts {
			e.rows = append(e.rows, textRow(fmt.Sprintf("doc%d", n%2), int64(i), fmt.Sprint(n)))
			e.rows = append(e.rows, sinkRow{owner: fmt.Sprintf("doc%d", (n+1)%2), part: int64(i), remove: true})
		}
		c.apply(e)
	}
	close(stop)
	wg.Wait()
	if n := reads.Load(); n < enough {
		c.t.Errorf("%d reads are too few to see anything", n)
	}
	c.verify("in the end")
}
