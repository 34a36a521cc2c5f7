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
	waiters []*waiter // most calls have one; each is among them once
}

type waitKey struct {
	root, node int
	key        string
}

// waiter is an owner at one expensive step.
type waiter struct {
	key    waitKey
	wants  []stream.Fingerprint
	left   int // of wants, those that are not answered
	live   bool
	origin cdc.Position
	time   int64
	since  int64 // when the hold began, microseconds; 0: its max_hold has passed
	calls  int   // calls that this owner was the first to want
}

// jobOverhead is about what a waiting call costs besides its input, in bytes: here with its owner, and in the queue of its model (I9).
const jobOverhead = 900

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
			drop = s.leave(was)
			delete(s.waiting, k)
			s.owners[k.node]--
		}
		return nil, drop
	}
	w := &waiter{key: k, wants: make([]stream.Fingerprint, 0, len(h.wants)), live: h.live, origin: h.origin, time: h.time, since: h.since}
	if was != nil {
		w.key.key, w.live, w.calls = was.key.key, w.live || was.live, was.calls
		if was.since == 0 {
			w.since = 0
		}
	}
	for _, want := range h.wants {
		j := s.jobs[want.call]
		if j == nil {
			j = &job{node: h.node, bytes: int64(len(want.input)) + jobOverhead, live: h.live}
			s.add(want.call, j)
			w.calls++
		}
		if len(j.waiters) == 0 { // also one that was withdrawn while in flight: it may never be answered
			submit = append(submit, stream.Call{Fingerprint: want.call, Input: want.input, Live: h.live, Stage: h.node.step.Name})
			delete(s.unwanted, want.call)
		}
		if j.enter(w, was) {
			w.wants = append(w.wants, want.call)
		}
	}
	w.left = len(w.wants)
	if was != nil {
		drop = s.leave(was)
	} else {
		s.owners[k.node]++
	}
	s.waiting[w.key] = w
	return submit, drop
}

// enter puts a waiter among those of the job, in the place of the one that the owner was before, and reports whether it was not there
// yet. It is the last one then: who asks for a call twice does so at once.
func (j *job) enter(w, was *waiter) bool {
	n := len(j.waiters)
	if n > 0 && j.waiters[n-1] == w {
		return false
	}
	i := -1
	if was != nil {
		i = slices.Index(j.waiters, was)
	}
	if i < 0 {
		j.waiters = append(j.waiters, w)
	} else {
		j.waiters[i], j.waiters[n-1] = j.waiters[n-1], w
	}
	return true
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

// leave takes an owner off the calls that it still waits for.
func (s *scheduler) leave(was *waiter) (drop []stream.Fingerprint) {
	for _, call := range was.wants {
		j := s.jobs[call]
		if j == nil {
			continue
		}
		i := slices.Index(j.waiters, was)
		if i < 0 {
			continue
		}
		last := len(j.waiters) - 1
		j.waiters[i] = j.waiters[last]
		j.waiters = slices.Delete(j.waiters, last, last+1)
		if last == 0 {
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
	for _, w := range j.waiters {
		if w.left--; w.left == 0 || a.Rejected != nil {
			ready(w.key, w)
		}
	}
	return j.node
}

// wanted leaves out the calls that have been answered since their owners asked for them.
func (s *scheduler) wanted(calls []stream.Call) []stream.Call {
	return slices.DeleteFunc(calls, func(c stream.Call) bool { return s.jobs[c.Fingerprint] == nil })
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
