package engine

import (
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// scheduler knows which owners wait for which calls, and hands each call to its model once. It belongs
// to the loop. What it holds can be derived again from the records: after a start it is empty, and
// owners come back by way of the pending index.
type scheduler struct {
	jobs     map[stream.Fingerprint]*job
	unwanted map[stream.Fingerprint]struct{} // those of jobs that no owner waits for any more
	waiting  map[waitKey]*waiter
	owners   map[int]int // how many of waiting are at an expensive step, by its index
	bytes    int64       // of inputs that wait or are in flight
	rest     int64       // the part of them that nobody waits for: first loads, backfills
}

// job is a call that is wanted and not answered.
type job struct {
	node    *callNode
	bytes   int64
	live    bool
	waiters map[waitKey]struct{}
}

type waitKey struct {
	root, node int
	key        string
}

// waiter is an owner at one expensive step.
type waiter struct {
	left   map[stream.Fingerprint]struct{}
	live   bool
	origin cdc.Position
	time   int64
	since  int64 // when the hold began, microseconds; 0: its max_hold has passed
	calls  int   // calls that this owner was the first to want
}

// jobOverhead is what a waiting call costs besides its input, in bytes.
const jobOverhead = 256

func newScheduler() *scheduler {
	return &scheduler{jobs: map[stream.Fingerprint]*job{}, unwanted: map[stream.Fingerprint]struct{}{}, waiting: map[waitKey]*waiter{}, owners: map[int]int{}}
}

// settle takes the word of an evaluation: these calls, and no others, does the owner wait for at this
// step. It returns the calls to submit, and those that nobody wants any more.
func (s *scheduler) settle(h *hold) (submit []stream.Call, drop []stream.Fingerprint) {
	k := waitKey{root: h.root.index, node: h.node.index, key: string(h.key)}
	was := s.waiting[k]
	if len(h.wants) == 0 {
		if was != nil {
			drop = s.leave(k, was, nil)
			delete(s.waiting, k)
			s.owners[k.node]--
		}
		return nil, drop
	}
	w := &waiter{left: make(map[stream.Fingerprint]struct{}, len(h.wants)), live: h.live, origin: h.origin, time: h.time, since: h.since}
	if was != nil {
		w.live, w.calls = w.live || was.live, was.calls
		if was.since == 0 {
			w.since = 0
		}
	}
	for _, want := range h.wants {
		w.left[want.call] = struct{}{}
		j := s.jobs[want.call]
		if j == nil {
			j = &job{node: h.node, bytes: int64(len(want.input)) + jobOverhead, live: h.live, waiters: map[waitKey]struct{}{}}
			s.add(want.call, j)
			w.calls++
		}
		if len(j.waiters) == 0 { // also one that was withdrawn while in flight: it may never be answered
			submit = append(submit, stream.Call{Fingerprint: want.call, Input: want.input, Live: h.live, Stage: h.node.step.Name})
			delete(s.unwanted, want.call)
		}
		j.waiters[k] = struct{}{}
	}
	if was != nil {
		drop = s.leave(k, was, w.left)
	} else {
		s.owners[k.node]++
	}
	s.waiting[k] = w
	return submit, drop
}

// callsOf counts the calls that were made for an owner whose wait at a step ends now.
func (s *scheduler) callsOf(h *hold) int {
	if len(h.wants) > 0 {
		return 0
	}
	if w := s.waiting[waitKey{root: h.root.index, node: h.node.index, key: string(h.key)}]; w != nil {
		return w.calls
	}
	return 0
}

func (s *scheduler) add(call stream.Fingerprint, j *job) {
	s.jobs[call] = j
	s.bytes += j.bytes
	if !j.live {
		s.rest += j.bytes
	}
}

func (s *scheduler) remove(call stream.Fingerprint, j *job) {
	delete(s.jobs, call)
	delete(s.unwanted, call)
	s.bytes -= j.bytes
	if !j.live {
		s.rest -= j.bytes
	}
}

// leave takes an owner off the calls that it does not want any more.
func (s *scheduler) leave(k waitKey, was *waiter, still map[stream.Fingerprint]struct{}) (drop []stream.Fingerprint) {
	for call := range was.left {
		if _, ok := still[call]; ok {
			continue
		}
		j := s.jobs[call]
		if j == nil {
			continue
		}
		if delete(j.waiters, k); len(j.waiters) == 0 {
			s.unwanted[call] = struct{}{}
			drop = append(drop, call)
		}
	}
	return drop
}

// dropped forgets calls that the model has given back unsent. A call that is in flight stays a job
// until its answer comes: it is paid, and goes into the memo.
func (s *scheduler) dropped(calls []stream.Fingerprint) {
	for _, call := range calls {
		if j := s.jobs[call]; j != nil && len(j.waiters) == 0 {
			s.remove(call, j)
		}
	}
}

// answered takes a call off the owners that wait for it and yields those that may go on: the ones
// whose last call it was, and all of them where it was refused.
func (s *scheduler) answered(a *stream.Answer, ready func(k waitKey, w *waiter)) (node *callNode) {
	j := s.jobs[a.Fingerprint]
	if j == nil {
		return nil
	}
	s.remove(a.Fingerprint, j)
	for k := range j.waiters {
		w := s.waiting[k]
		if w == nil {
			continue
		}
		if delete(w.left, a.Fingerprint); len(w.left) == 0 || a.Rejected != nil {
			ready(k, w)
		}
	}
	return j.node
}

// abandoned lists the calls in flight that nobody waits for any more.
func (s *scheduler) abandoned() map[*modelRun][]stream.Fingerprint {
	if len(s.unwanted) == 0 {
		return nil
	}
	calls := map[*modelRun][]stream.Fingerprint{}
	for call := range s.unwanted {
		m := s.jobs[call].node.model
		calls[m] = append(calls[m], call)
	}
	return calls
}

// overdue yields the owners whose hold has outlasted its step's max_hold, once each.
func (s *scheduler) overdue(now int64, calls []*callNode, fn func(k waitKey, w *waiter)) {
	if !slices.ContainsFunc(calls, func(n *callNode) bool { return n.step.Options.MaxHold > 0 }) {
		return
	}
	for k, w := range s.waiting {
		most := calls[k.node].step.Options.MaxHold.Microseconds()
		if most > 0 && w.since > 0 && now-w.since >= most {
			w.since = 0
			fn(k, w)
		}
	}
}
