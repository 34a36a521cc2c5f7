package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// How often the first load tells how far it is: a line that is written over on a terminal, a line of its
// own elsewhere. Its end is looked for every readyBeat, so that the time that is told is the one that it took.
const (
	terminalBeat = 500 * time.Millisecond
	plainBeat    = 5 * time.Second
)

// reporting is a flow whose progress is shown.
type reporting interface {
	Status() engine.Status
	Ready() (bool, []engine.Reason)
}

// progress tells how the flow catches up with its sources, until it has.
func (c *cli) progress(ctx context.Context, flow reporting) error {
	beat := plainBeat
	if c.terminal {
		beat = terminalBeat
	}
	timer := time.NewTicker(readyBeat)
	defer timer.Stop()
	var p pace
	began := time.Now()
	p.see(began, flow.Status())
	told := began
	for {
		select {
		case <-ctx.Done():
			c.overwrite("")
			return nil
		case now := <-timer.C:
			if ready, _ := flow.Ready(); ready {
				p.see(now, flow.Status())
				c.overwrite("")
				c.note("caught up after %s: %s", console.Lasting(now.Sub(began)), p.done())
				return nil
			}
			if now.Sub(told) >= beat {
				told = now
				p.see(now, flow.Status())
				c.overwrite(p.line())
			}
		}
	}
}

// overwrite replaces the progress line of a terminal, or adds one to a file.
func (c *cli) overwrite(line string) {
	switch {
	case c.terminal:
		fmt.Fprintf(c.err, "\r\x1b[K%s", line)
	case line != "":
		c.note("%s", line)
	}
}

// pace measures how fast a flow goes, smoothed over a few seconds.
type pace struct {
	at            time.Time
	first         work
	last          work
	changes, call float64 // a second
	waiting       string  // for what sinks wait that take no rows; empty where all take them
	filling       string  // how far stored rows are through the changed flow; empty when they are
}

// work is what a flow has done so far.
type work struct{ changes, calls, hits, waiting, rows int64 }

func workOf(s engine.Status) work {
	var w work
	for _, x := range s.Sources {
		w.changes += x.ChangesTotal
	}
	for _, x := range s.Steps {
		w.calls += x.CallsTotal
		w.hits += x.MemoHitsTotal
		w.waiting += int64(x.Pending)
	}
	for _, x := range s.Sinks {
		w.rows += x.Rows
	}
	return w
}

// smoothing is the weight of the newest interval.
const smoothing = 0.3

func (p *pace) see(now time.Time, s engine.Status) {
	w := workOf(s)
	p.filling, p.waiting = "", ""
	for _, name := range slices.Sorted(maps.Keys(s.Sinks)) {
		if problem, _, _ := strings.Cut(s.Sinks[name].Problem, "; a person has to act"); problem != "" {
			p.waiting += fmt.Sprintf("; sink %s takes no rows: %s", name, problem)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Sources)) {
		if x := s.Sources[name]; x.Backfill != nil {
			p.filling += ", " + through(x.Backfill)
		}
	}
	if p.at.IsZero() {
		p.at, p.first, p.last = now, w, w
		return
	}
	seconds := now.Sub(p.at).Seconds()
	if seconds <= 0 {
		return
	}
	changes, calls := float64(w.changes-p.last.changes)/seconds, float64(w.calls-p.last.calls)/seconds
	if p.changes == 0 && p.call == 0 {
		p.changes, p.call = changes, calls
	} else {
		p.changes += smoothing * (changes - p.changes)
		p.call += smoothing * (calls - p.call)
	}
	p.at, p.last = now, w
}

// line tells how far the flow is, how fast, and how long what waits for calls will take.
func (p *pace) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s read (%s/s)", console.Counted(p.last.changes-p.first.changes, "row", "rows"), grouped(int64(p.changes)))
	if p.last.calls > 0 || p.last.waiting > 0 {
		fmt.Fprintf(&b, ", %s (%s/s)", console.Counted(p.last.calls-p.first.calls, "call", "calls"), grouped(int64(p.call)))
	}
	if p.last.waiting > 0 {
		fmt.Fprintf(&b, ", %s", console.Counted(p.last.waiting, "waits", "wait"))
		done := p.last.changes - p.first.changes - p.last.waiting
		if calls := p.last.calls - p.first.calls; done > 0 && calls > 0 && p.call > 0 {
			left := float64(calls) / float64(done) * float64(p.last.waiting) / p.call
			fmt.Fprintf(&b, ", about %s left", leftOver(left))
		}
	}
	b.WriteString(p.filling)
	b.WriteString(p.waiting)
	return b.String()
}

// done sums up the first load.
func (p *pace) done() string {
	return fmt.Sprintf("%s read, %s, %s in sinks", console.Counted(p.last.changes-p.first.changes, "row", "rows"),
		console.Counted(p.last.calls-p.first.calls, "call", "calls"), console.Counted(p.last.rows, "row", "rows"))
}

// leftOver writes seconds that something still takes: a guess, so that parts of a second say nothing.
func leftOver(seconds float64) string {
	return console.Lasting(max(time.Second, time.Duration(seconds*float64(time.Second)).Round(time.Second)))
}

// grouped writes a number in groups of three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	from := 0
	if n < 0 {
		from = 1
	}
	for i := len(s) - 3; i > from; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
