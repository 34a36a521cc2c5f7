package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// modelRun is a remote model as the engine runs it.
type modelRun struct {
	name   string
	remote stream.RemoteModel
}

// closeModels lets go what questions to the models of a plan have opened, such as connections and workers. A Run of a model
// does so itself at its end.
func closeModels(plan *stream.Plan) error {
	var faults []error
	for _, m := range plan.Models() {
		if c, ok := m.(io.Closer); ok {
			if err := c.Close(); err != nil {
				faults = append(faults, fmt.Errorf("close model %s: %w", m.Name(), err))
			}
		}
	}
	return errors.Join(faults...)
}

// answerQueue carries answers from the models to the loop. It is bounded by what the loop has submitted.
type answerQueue struct {
	mu    sync.Mutex
	queue []stream.Answer
	fault error // results that could not be kept: the run ends
}

func (q *answerQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fault = errors.Join(q.fault, err)
}

func (q *answerQueue) put(answers []stream.Answer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, answers...)
}

// without leaves out the calls whose answers have come since they were found missing: their owners go on
// in the next epoch, and asking again would be paid twice (I7).
func (q *answerQueue) without(calls []stream.Call) []stream.Call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return calls
	}
	come := make(map[stream.Fingerprint]struct{}, len(q.queue))
	for i := range q.queue {
		come[q.queue[i].Fingerprint] = struct{}{}
	}
	return slices.DeleteFunc(calls, func(c stream.Call) bool {
		_, ok := come[c.Fingerprint]
		return ok
	})
}

func (q *answerQueue) take() ([]stream.Answer, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answers := q.queue
	q.queue = nil
	return answers, q.fault
}

// answer receives results from a model, on the model's goroutine. They are durable in the memo before
// anybody hears of them, and wait for no admission (I7): what is paid is kept.
func (e *Engine) answer(answers []stream.Answer) {
	var entries []statestore.Entry
	for i := range answers {
		if answers[i].Rejected == nil {
			entries = append(entries, statestore.Entry{Fingerprint: statestore.Fingerprint(answers[i].Fingerprint), Value: answers[i].Result})
		}
	}
	if len(entries) > 0 {
		if err := e.memo.put(entries); err != nil {
			e.answered.fail(fmt.Errorf("remember results: %w", err)) // I10: their owners would wait for ever
			e.wake()
			return
		}
	}
	e.o.Crash("memo.answer")
	e.answered.put(answers)
	e.wake()
}

// gatherAnswers turns answers into tasks of the owners that may go on.
func (e *Engine) gatherAnswers(g *gathered) error {
	answers, err := e.answered.take()
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Rejected == nil {
			e.memo.learn(a.Fingerprint)
		}
		node := e.scheduler.answered(&a, func(k waitKey, w *waiter) {
			t := &task{root: e.graph.roots[k.root], key: cdc.Key(k.key), force: true, live: w.live}
			if a.Rejected != nil {
				t.refused = []refusal{refusalOf(&a)}
			}
			e.merge(g, t)
		})
		if node == nil {
			continue
		}
		if a.Rejected == nil {
			e.totals.step(node.step.Name).Calls++
		} else {
			e.totals.step(node.step.Name).Rejected++
		}
	}
	return nil
}

// gatherRejections takes from the deliveries what is done and what their targets refused for good.
func (e *Engine) gatherRejections(g *gathered) error {
	for i, t := range e.graph.targets {
		if t.delivery == nil {
			continue
		}
		done, rejected := t.delivery.collect()
		g.delivery[i] = append(g.delivery[i], done...)
		g.refused[i] = g.refused[i] || len(rejected) > 0
		for _, r := range rejected {
			if err := e.gatherRejection(g, t, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// gatherRejection turns a target's no into a task of the owner whose row it was.
func (e *Engine) gatherRejection(g *gathered, t *target, r sinkRejection) error {
	c := e.plan.Collections[t.sink.From[r.input]]
	for _, root := range e.graph.roots {
		if root.collection != c.Root {
			continue
		}
		if t.sink.Key[r.input] != nil {
			var err error
			if r.owner, r.child, err = e.shownBy(t, r.owner, len(root.keyTypes)); err != nil {
				return fmt.Errorf("find who is shown in sink %s: %w", t.name, err)
			}
			if r.owner == nil {
				continue // it has gone meanwhile
			}
		}
		e.merge(g, &task{root: root, key: bytes.Clone(r.owner), force: true,
			refused: []refusal{{instance: t.instance, child: r.child, row: r.row, code: r.code, message: r.message, attempts: 1}}})
	}
	return nil
}

// timeText writes microseconds since 1970 as RFC 3339 in UTC; 0 stands for a time that is not known, and is empty.
func timeText(us int64) string {
	if us == 0 {
		return ""
	}
	return time.UnixMicro(us).UTC().Format(time.RFC3339Nano)
}

// childText shows the key of a row behind its owner's.
func childText(child []byte) string {
	if len(child) == 0 {
		return ""
	}
	return cdc.Key(child).Text()
}
