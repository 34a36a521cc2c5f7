package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Reason is why a flow is not ready.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Ready tells whether the sources as they stood at the start are applied and nothing hinders progress.
func (e *Engine) Ready() (bool, []Reason) {
	reasons := []Reason{}
	add := func(code, format string, args ...any) {
		reasons = append(reasons, Reason{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if !e.ready.Load() {
		add("catching_up", "the sources as they stood at the start are not applied yet")
	}
	if e.paused.Load() {
		add("intake_paused", "a person has paused the flow: nothing is taken in from its sources")
	}
	e.mu.RLock()
	full, free := e.view.diskFull, e.view.diskFree
	e.mu.RUnlock()
	if full {
		add("disk_full", "%s are free for the state, and limits.disk_free asks for %s", stream.Bytes(free), stream.Bytes(e.plan.Limits.DiskFree))
	}
	for _, m := range e.models {
		if h := m.remote.Queue().Health(); !h.Available && (h.Reason != "retry_after" || time.Until(h.Until) > 5*time.Second) {
			code, message := hindered(m.name, h)
			add(code, "%s", message)
		}
	}
	for _, t := range e.graph.targets {
		if t.gone.Load() {
			continue
		}
		if err, _ := t.delivery.hindrance(); err != nil {
			add("sink_unavailable", "sink %s: %s", t.name, complaint(err))
		}
	}
	for i, in := range e.inlets {
		if err := in.hindrance(); err != nil {
			code := "source_unavailable"
			if errors.Is(err, cdc.ErrGap) {
				code = "data_guard" // a person has to decide (I10)
			}
			add(code, "source %s: %v", e.plan.Sources[i].Name, err)
		}
	}
	return len(reasons) == 0, reasons
}

// complaint is what people are told of a target that is tried again. What waiting alone does not end is named as an opening
// names it, by its code and with what to do: a person may do that while the flow runs.
func complaint(err error) string {
	p := personal(err)
	if p == nil {
		return err.Error()
	}
	return fmt.Sprintf("%s: %v; a person has to act: %s", p.Code, err, p.Hint)
}

// personal is what a person has to mend of a target that is tried again; nil where waiting may do.
func personal(err error) *stream.Problem {
	p, ok := errors.AsType[*stream.Problem](err)
	if !ok || p.Hint == "" || p.Code == "server_unreachable" {
		return nil
	}
	return p
}

// Summary is what a run has done.
type Summary struct {
	RowsApplied int64 `json:"rows_applied"`
	Calls       int64 `json:"calls"`
	DeadLetters int64 `json:"dead_letters"`
}

// Summary tells what this run has applied, called and left as dead letters.
func (e *Engine) Summary() Summary {
	s := Summary{DeadLetters: e.totals.letters()}
	for name, t := range e.totals.Steps {
		s.Calls += t.Calls
		if was := e.began.Steps[name]; was != nil {
			s.Calls -= was.Calls
		}
	}
	for _, t := range e.graph.targets {
		if t.delivery != nil {
			s.RowsApplied += t.delivery.upserts.Load() + t.delivery.deletes.Load()
		}
	}
	return s
}
