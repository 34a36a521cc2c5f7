package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// Moods of a state: how it is coloured. None is told by its colour alone.
const (
	good  = "good"  // it goes on
	quiet = "quiet" // there is nothing to do
	busy  = "busy"  // it catches up
	bad   = "bad"   // it needs somebody
)

// Figures is everything of a flow that changes, each number and word under a name such as sink.index.p50.
type Figures struct {
	Text map[string]string
	Mood map[string]string
}

// put sets the figures of one node: pairs of a name and a text.
func (f *Figures) put(node string, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Text[node+"."+pairs[i]] = pairs[i+1]
	}
}

func (f *Figures) state(node, word, mood string) {
	f.Text[node+".state"], f.Mood[node] = word, mood
}

// FiguresOf puts the newest sample of a watch into words.
func FiguresOf(w *Watch) Figures {
	f := Figures{Text: map[string]string{}, Mood: map[string]string{}}
	now := w.Newest()
	s := now.Status
	for name, x := range s.Sources {
		f.source(w, name, x)
	}
	for name, x := range s.Steps {
		f.step(w, name, x)
	}
	for name, x := range s.Models {
		f.model(w, name, x, now.At)
	}
	for name, x := range s.Sinks {
		f.sink(w, name, x, now.Ready)
	}
	for name := range s.Sources {
		f.moving(w, "source."+name, changesOf(name))
	}
	for name := range s.Steps {
		f.moving(w, "step."+name, rowsOf(name))
	}
	word, mood := condition(now)
	f.state("flow", word, mood)
	f.put("flow", "epoch", count(int64(s.Epoch)), "store", stream.Bytes(s.Store.Bytes).String(), "letters", count(s.DeadLetters))
	f.Mood["letters"] = quiet
	if s.DeadLetters > 0 {
		f.Mood["letters"] = bad
	}
	return f
}

// condition says in a word how a flow is.
func condition(s Sample) (word, mood string) {
	switch {
	case NeverRan(&s.Status):
		return "never ran", quiet
	case s.Status.State == "waiting":
		return "waits to begin", bad
	case s.Status.State != "running":
		return "stopped", quiet
	}
	if s.Ready {
		return "ready", good
	}
	all := Advise(s)
	if len(all) > 0 && all[0].Grave {
		return "held up", bad
	}
	return "catching up", busy
}

// NeverRan reports whether a status is that of a flow that has no state yet.
func NeverRan(s *engine.Status) bool {
	return s.State == "stopped" && s.Epoch == 0 && s.Store.Bytes == 0
}

// rated writes a rate, or a dash where it cannot be told yet.
func rated(w *Watch, total func(engine.Status) int64) string {
	rate, ok := w.rate(total)
	if !ok {
		return "–"
	}
	return perSecond(rate)
}

// moving says of what leads from a node whether something passes.
func (f *Figures) moving(w *Watch, node string, total func(engine.Status) int64) {
	f.Mood["from."+node] = quiet
	if rate, _ := w.rate(total); rate > 0 {
		f.Mood["from."+node] = good
	}
}

func (f *Figures) source(w *Watch, name string, x engine.SourceStatus) {
	node := "source." + name
	f.put(node, "passed", Counted(x.ChangesTotal, "change", "changes"), "changes", count(x.ChangesTotal), "rate", rated(w, changesOf(name)), "position", x.Position,
		"lag", span(x.LagSeconds*1000), "problem", x.Problem)
	switch x.State {
	case "live":
		f.state(node, "live", good)
	case "catching_up":
		f.state(node, "catching up", busy)
	case "unavailable":
		f.state(node, "not reachable", bad)
	default:
		f.state(node, x.State, quiet)
	}
}

func (f *Figures) step(w *Watch, name string, x engine.StepStatus) {
	node := "step." + name
	saved := "–"
	if all := x.CallsTotal + x.MemoHitsTotal; all > 0 {
		saved = strconv.FormatInt(x.MemoHitsTotal*100/all, 10) + "%"
	}
	f.put(node, "passed", Counted(x.Rows, "row", "rows"), "rows", count(x.Rows), "rate", rated(w, rowsOf(name)),
		"asks", Counted(x.CallsTotal, "call", "calls")+", "+Counted(int64(x.Pending), "waits", "wait"), "calls", count(x.CallsTotal), "callrate", rated(w, callsOf(name)),
		"hits", count(x.MemoHitsTotal), "saved", saved, "pending", count(int64(x.Pending)), "dlq", count(x.DLQ))
	rate, _ := w.rate(rowsOf(name))
	switch {
	case w.still(pendingOf(name), callsOf(name)):
		f.state(node, "stands still", bad)
	case x.Pending > 0:
		f.state(node, "waits for calls", busy)
	case rate > 0:
		f.state(node, "moving", good)
	default:
		f.state(node, "idle", quiet)
	}
}

func (f *Figures) model(w *Watch, name string, x engine.ModelStatus, now time.Time) {
	node := "model." + name
	flight := "–" // a model that runs in the flow makes no requests
	if x.Limit > 0 {
		flight = count(int64(x.InFlight)) + " of " + count(int64(x.Limit))
	}
	f.put(node, "flight", flight, "queued", count(int64(x.Queued)),
		"input", count(x.InputTokens), "output", count(x.OutputTokens), "rate", rated(w, tokensOf(name)), "usd", money(x.USDTotal), "today", today(x))
	breaker := strings.ReplaceAll(x.Breaker, "_", " ")
	if x.Until != nil && x.Until.After(now) {
		breaker += ", asked again in " + long(x.Until.Sub(now))
	}
	f.put(node, "breaker", breaker)
	switch {
	case x.Reason != nil && *x.Reason == "retry_after":
		f.state(node, "asked us to wait", busy)
	case x.Reason != nil:
		title, _ := hindrance(*x.Reason)
		f.state(node, title, bad)
	case x.Breaker == "half_open":
		f.state(node, "is being tried", busy)
	case x.InFlight > 0:
		f.state(node, "answering", good)
	default:
		f.state(node, "idle", quiet)
	}
}

func (f *Figures) sink(w *Watch, name string, x engine.SinkStatus, ready bool) {
	node := "sink." + name
	f.put(node, "passed", Counted(x.Rows, "row", "rows"), "rows", count(x.Rows), "rate", rated(w, writesOf(name)), "p50", span(x.FreshnessMS.P50), "p99", span(x.FreshnessMS.P99),
		"waiting", count(int64(x.Outbox)), "bytes", stream.Bytes(x.OutboxBytes).String(), "upserts", count(x.UpsertsTotal), "deletes", count(x.DeletesTotal),
		"position", x.Position, "problem", x.Problem)
	rate, _ := w.rate(writesOf(name))
	switch {
	case x.Problem != "":
		f.state(node, "does not take rows", bad)
	case w.still(outboxOf(name), writesOf(name)):
		f.state(node, "stands still", bad)
	case x.Building:
		f.state(node, "a successor is being built", busy)
	case x.Coarse:
		f.state(node, "far behind, catching up", busy)
	case rate > 0 || x.Outbox > 0:
		f.state(node, "moving", good)
	case ready:
		f.state(node, "in step", good)
	default:
		f.state(node, "idle", quiet)
	}
}

// Task is something that takes a while: a first load, calls that wait, a successor that is built.
type Task struct {
	Name  string // of the source, step or sink
	What  string
	Rate  string
	Left  string // of time; a dash where it cannot be told
	Done  float64
	Known bool // Done is
}

// TasksOf lists what a flow is busy with.
func TasksOf(w *Watch) []Task {
	s := w.Newest().Status
	var tasks []Task
	for _, name := range names(s.Sources) {
		x := s.Sources[name]
		if x.Backfill != nil {
			tasks = append(tasks, readingTask(name, "stored rows of "+x.Backfill.Collection+" go through the changed flow: "+count(x.Backfill.Rows)+" of "+count(x.Rows), x.Backfill))
		}
		switch {
		case x.Reading != nil:
			tasks = append(tasks, readingTask(name, "first rows of "+x.Reading.Collection+": "+count(x.Reading.Rows)+" read", x.Reading))
		case x.State == "catching_up":
			tasks = append(tasks, Task{Name: name, What: Counted(x.ChangesTotal, "change read", "changes read"), Rate: rated(w, changesOf(name)), Left: "–"})
		}
	}
	for _, name := range names(s.Steps) {
		if n := s.Steps[name].Pending; n > 0 {
			tasks = append(tasks, Task{Name: name, What: Counted(int64(n), "row waits for calls", "rows wait for calls"), Rate: rated(w, callsOf(name)),
				Left: left(int64(n), w.shrinking(pendingOf(name)))})
		}
	}
	for _, name := range names(s.Sinks) {
		switch x := s.Sinks[name]; {
		case x.Building:
			tasks = append(tasks, successorTask(w, name, x.Successor))
		case x.Outbox > 0:
			tasks = append(tasks, Task{Name: name, What: Counted(int64(x.Outbox), "write waits", "writes wait") + " (" + stream.Bytes(x.OutboxBytes).String() + ")",
				Rate: rated(w, writesOf(name)), Left: left(int64(x.Outbox), w.shrinking(outboxOf(name)))})
		}
	}
	return tasks
}

// left says how long something takes that becomes less at a rate.
func left(n int64, rate float64) string {
	if rate <= 0 {
		return "–"
	}
	return "about " + long(time.Duration(float64(n)/rate*float64(time.Second)))
}

func readingTask(name, what string, r *engine.Reading) Task {
	t := Task{Name: name, What: what, Rate: perSecond(r.RowsPerSecond), Left: "–", Done: r.Done, Known: true}
	if r.ETASeconds > 0 {
		t.Left = "about " + long(time.Duration(r.ETASeconds*float64(time.Second)))
	}
	return t
}

// successorTask is a sink that is built beside the one that serves. Its end is a guess: the rows of the old one.
func successorTask(w *Watch, name string, x *engine.Successor) Task {
	t := Task{Name: name, What: "a successor is filled beside it", Rate: rated(w, successorOf(name)), Left: "–"}
	if x == nil || x.Of == 0 {
		return t
	}
	t.What += ": " + count(x.Rows) + " rows of about " + count(x.Of)
	t.Done, t.Known = min(1, float64(x.Rows)/float64(x.Of)), true
	if rate, ok := w.rate(successorOf(name)); ok {
		t.Left = left(max(0, x.Of-x.Rows), rate)
	}
	return t
}
