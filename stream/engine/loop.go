package engine

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// tick is how often the loop looks at what announces itself to nobody: free disk, holds that have
// lasted, a model that is gone for good.
const tick = 250 * time.Millisecond

// loop is the engine's one writer: gather, evaluate, commit, hand over.
func (e *Engine) loop(ctx context.Context) (err error) {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	defer func() { err = errors.Join(err, e.land()) }()
	for ctx.Err() == nil {
		full, err := e.checkDisk()
		if err != nil {
			return err
		}
		if full {
			if err := e.land(); err != nil {
				return err
			}
		} else {
			worked, err := e.step()
			if err != nil {
				return err
			}
			e.releaseEvents()
			e.look()
			if err := e.asked(); err != nil {
				return err
			}
			if worked {
				e.worked = time.Now()
				continue
			}
			if err := e.cleanUp(ctx); err != nil {
				return err
			}
			if done, err := e.finished(ctx); done || err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-e.wakeup:
		case <-timer.C:
			e.forsake()
			e.release()
		}
	}
	return nil
}

// step runs one epoch. worked is false where there was nothing to do; none is in flight then.
func (e *Engine) step() (worked bool, err error) {
	g := newGathered(len(e.graph.targets))
	if err := e.gather(g); err != nil {
		return false, err
	}
	if e.flying != nil && !e.overlaps(g) {
		if err := e.land(); err != nil {
			return false, err
		}
		if err := e.gather(g); err != nil {
			return false, err
		}
	}
	if g.empty() && !e.planDirty {
		return false, e.tidy(g)
	}
	began := time.Now()
	if err := e.load(g); err != nil {
		return false, err
	}
	if err := e.evaluate(g); err != nil {
		return false, err
	}
	lands := e.planDirty || e.spill != nil || g.waits()
	if err := e.commit(g, began); err != nil {
		return false, err
	}
	e.pace(g)
	if lands {
		return true, e.land()
	}
	return true, nil
}

// load reads the records of the epoch's owners, in key order.
func (e *Engine) load(g *gathered) error {
	keys := g.order()
	var block arena
	return e.db.State.GetSorted(keys, func(i int, value []byte, ok bool) error {
		if ok {
			g.tasks[i].stored = block.copy(value)
		}
		return nil
	})
}

// breathe lets others have the core now and then, in a loop that is at its nth turn. Where all cores are at work, a model's
// reply would otherwise wait until the runtime takes one away, which is as long as a device computes a batch.
func breathe(n int) {
	if n%32 == 31 {
		runtime.Gosched()
	}
}

// parallelFrom is the number of owners from which an epoch is spread over the cores.
const parallelFrom = 64

// evaluate runs the evaluators over the epoch's owners, each over a contiguous range of keys.
func (e *Engine) evaluate(g *gathered) error {
	n := 1
	if len(g.tasks) >= parallelFrom {
		n = runtime.GOMAXPROCS(0)
	}
	e.evaluators = make([]*evaluator, 0, n)
	listening, taps := e.events.listening(), e.taps.wanted(len(e.plan.Collections))
	for i := range n {
		v := newEvaluator(e.graph, e.memo)
		if i < len(e.brought) {
			v.out.expect(e.brought[i], len(g.tasks)/n, int(e.budget.made)/n)
		}
		v.listening, v.taps = listening, taps
		v.epoch, v.now = e.epoch+1, time.Now().UnixMicro()
		e.evaluators = append(e.evaluators, v)
	}
	faults := make([]error, n)
	var wg sync.WaitGroup
	for i, v := range e.evaluators {
		tasks := g.tasks[len(g.tasks)*i/n : len(g.tasks)*(i+1)/n]
		run := func() {
			for k, t := range tasks {
				breathe(k)
				if faults[i] = v.evaluate(t); faults[i] != nil {
					return
				}
			}
		}
		if n == 1 {
			run()
		} else {
			wg.Go(run)
		}
	}
	wg.Wait()
	return errors.Join(faults...)
}
