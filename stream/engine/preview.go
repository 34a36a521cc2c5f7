package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Preview is what the next run of a flow would do that the last one has not done.
type Preview struct {
	Steps map[string]StepPreview `json:"steps"`
	Sinks map[string]SinkPreview `json:"sinks"`
	Total StepPreview            `json:"total"`
	// Exact says that every row behind a change was evaluated for this answer. Otherwise some were taken as a
	// share of many, or are not in the state: what is said of them is an estimate, and an upper bound of calls.
	Exact bool `json:"exact"`
	// Notes are sentences on what the numbers do not hold.
	Notes []string `json:"notes,omitempty"`
}

// StepPreview is the work that waits at one step. What a model is paid is an upper bound: it counts the tokens
// itself.
type StepPreview struct {
	Change   string  `json:"change,omitempty"`   // none, added, removed, logic or model
	Rows     int64   `json:"rows"`               // that come to it, as far as they are known
	Calls    int64   `json:"calls"`              // that nobody has answered yet, likewise
	Unknown  bool    `json:"unknown,omitempty"`  // some rows have yet to be read, and nobody says how many they are
	Unpriced bool    `json:"unpriced,omitempty"` // of some calls nobody says how much text they send: tokens and money are those of the others
	About    bool    `json:"about,omitempty"`    // some numbers are made from what a source says of its size
	Asks     bool    `json:"asks,omitempty"`     // it asks a model
	MemoHits int64   `json:"memo_hits"`          // calls that have been answered before
	Tokens   int64   `json:"tokens"`             // of the calls, sent and received
	USD      float64 `json:"usd"`
	Seconds  float64 `json:"seconds"` // at least, by the limits of the flow; in total also by the work of this machine
}

// SinkPreview is what becomes of one target.
type SinkPreview struct {
	Change     string   `json:"change"`         // none, create, alter, swap or drop
	Anew       bool     `json:"anew,omitempty"` // of create: what the target holds goes first
	Statements []string `json:"statements"`
	Upserts    int64    `json:"upserts"`
	Deletes    int64    `json:"deletes"`
	Stay       int64    `json:"stay,omitempty"`  // rows of a target that leaves the flow, which nobody touches any more
	About      bool     `json:"about,omitempty"` // Upserts is made from what the sources say of their size
	Known      bool     `json:"known"`           // Upserts and Deletes are: no row has to be read from a source again, and none holds an answer that has to be asked for
}

// Preview compares a plan with the state of this flow, which goes on meanwhile: what it does between the question
// and the next start is not in the answer.
func (e *Engine) Preview(ctx context.Context, plan *stream.Plan) (*Preview, error) {
	return StoppedPreview(ctx, e.db, plan)
}

// StoppedPreview compares a plan with the state of a stopped flow, which stays as it is; db is nil where the
// flow has never run. Targets are asked what their opening would do.
func StoppedPreview(ctx context.Context, db *statestore.DB, plan *stream.Plan) (*Preview, error) {
	stored, state := &storedPlan{Flow: plan.Flow}, ""
	if db != nil {
		found, err := loadPlan(db)
		if err != nil {
			return nil, err
		}
		if found != nil {
			stored = found
		}
		if state, err = StateOf(db); err != nil {
			return nil, err
		}
	}
	if stored.Flow != plan.Flow {
		return nil, &OtherFlowError{Want: plan.Flow, Found: stored.Flow}
	}
	return preview(ctx, db, stored, plan, state)
}

func preview(ctx context.Context, db *statestore.DB, stored *storedPlan, plan *stream.Plan, state string) (*Preview, error) {
	next, _ := migrate(stored, plan, "")
	p := &Preview{Notes: readAgain(stored, plan), Steps: map[string]StepPreview{}, Sinks: map[string]SinkPreview{}, Exact: true}
	sizes, err := countRows(ctx, db, stored, plan)
	if err != nil {
		return nil, err
	}
	foretell(plan, sizes)
	if db != nil {
		if err := recallModels(db, plan); err != nil {
			return nil, err
		}
	}
	played, err := rehearse(db, plan, next, sizes)
	if err != nil {
		return nil, fmt.Errorf("rehearse the next run: %w", err)
	}
	p.steps(stored, next, plan, played, sizes)
	if err := p.sinks(ctx, stored, next, plan, state, db); err != nil {
		return nil, err
	}
	for i, s := range plan.Sinks {
		change := p.Sinks[s.Name]
		change.Upserts, change.Deletes = int64(played.sinks[i].upserts), int64(played.sinks[i].deletes)
		change.Known = change.Change == "none" || !slices.ContainsFunc(s.From, func(from int) bool {
			return next.Roots[plan.Collections[plan.Collections[from].Root].Name].Backfill != backfillScan
		})
		change.foretell(s, sizes)
		change.Known = change.Known && !slices.ContainsFunc(s.From, func(from int) bool { return played.awaits(plan, from) })
		p.Sinks[s.Name] = change
	}
	left, err := countUnread(ctx, db, stored, plan, sizes)
	if err != nil {
		return nil, err
	}
	p.unread(plan, left)
	p.Exact = p.Exact && played.exact
	p.Total.Seconds = max(p.Total.Seconds, played.took.Seconds()*played.part())
	return p, nil
}

// readAgain says which sources are read again although their steps are as they were.
func readAgain(stored *storedPlan, plan *stream.Plan) []string {
	var notes []string
	for _, n := range plan.Sources {
		if slices.ContainsFunc(n.Collections, func(c int) bool { return stored.Roots[plan.Collections[c].Name].Rescan }) {
			notes = append(notes, fmt.Sprintf("The next run reads every row of source %s again; rows that differ come on top of these numbers.", n.Name))
		}
	}
	return notes
}

func (p *Preview) steps(stored, next *storedPlan, plan *stream.Plan, played *rehearsal, sizes []cdc.Estimate) {
	for i, s := range plan.Steps {
		if s.Hidden {
			continue
		}
		step := StepPreview{Change: changeOf(stored, plan, s), Rows: int64(played.steps[i].rows), Asks: s.Caller != nil}
		root := plan.Collections[s.Out].Root
		if n := played.graph.byStep[i]; n != nil {
			c := played.calls[n.index]
			step.Calls, step.MemoHits = int64(c.missing), int64(max(c.wanted-c.missing, 0))
			step.Tokens = int64(c.sent + c.received)
			if f, ok := s.Caller.Calls().Model.(stream.Forecasting); ok {
				usd, least := f.Forecast(step.Calls, int64(c.sent), int64(c.received))
				step.USD, step.Seconds = usd, least.Seconds()
			}
		}
		if step.Change != "none" && next.Roots[plan.Collections[root].Name].Backfill != backfillScan {
			// Its rows are not in the state: they are read again, and nobody knows yet what they hold.
			p.Exact = false
			step.foretell(s, sizes[s.From])
		}
		p.Steps[s.Name] = step
		p.Total.add(&step)
	}
	kept := map[string]bool{}
	for _, s := range plan.Steps {
		kept[s.Name], kept[s.Options.Was] = true, true
	}
	for name := range stored.Steps {
		if stream.CheckName(name) == nil && !kept[name] { // the step of a projection has no such name
			p.Steps[name] = StepPreview{Change: "removed"}
		}
	}
}

// add books a step; steps ask their models beside each other.
func (p *StepPreview) add(s *StepPreview) {
	p.Rows, p.Calls, p.MemoHits, p.Tokens = p.Rows+s.Rows, p.Calls+s.Calls, p.MemoHits+s.MemoHits, p.Tokens+s.Tokens
	p.USD, p.Seconds = p.USD+s.USD, max(p.Seconds, s.Seconds)
	p.Unknown, p.Unpriced, p.About, p.Asks = p.Unknown || s.Unknown, p.Unpriced || s.Unpriced, p.About || s.About, p.Asks || s.Asks
}

// changeOf compares a step with the one that was run last under its name, or under the name that it had.
func changeOf(stored *storedPlan, plan *stream.Plan, s *stream.StepNode) string {
	was, ok := stored.Steps[s.Name]
	if !ok && s.Options.Was != "" {
		was, ok = stored.Steps[s.Options.Was]
	}
	switch {
	case !ok:
		return "added"
	case was.Logic == plan.Collections[s.Out].Logic.String():
		return "none"
	case was.Model != "" && was.Model != modelOf(s):
		return "model"
	}
	return "logic"
}

func (p *Preview) sinks(ctx context.Context, stored, next *storedPlan, plan *stream.Plan, state string, db *statestore.DB) error {
	for _, s := range plan.Sinks {
		was, ok := stored.Sinks[s.Name]
		is := next.Sinks[s.Name]
		change := SinkPreview{Change: "none", Statements: []string{}}
		switch {
		case !ok:
			change.Change = "create"
		case is.Instance != was.Instance && is.Swap:
			change.Change = "swap"
		case is.Instance != was.Instance:
			change.Change, change.Anew = "create", true
		case is.Logic != was.Logic:
			change.Change = "alter"
		}
		if previewer, can := s.Sink.(stream.Previewer); can {
			spec := stream.Target{Flow: plan.Flow, Sink: s.Name, Instance: is.Instance, State: state, Generation: is.Generation, Collections: s.Inputs}
			if db != nil {
				spec.Dir = db.Dir()
			}
			statements, err := previewer.Preview(ctx, spec)
			if err != nil {
				return fmt.Errorf("open sink %s: %w", s.Name, err)
			}
			change.Statements = append(change.Statements, statements...)
		}
		p.Sinks[s.Name] = change
	}
	for name := range stored.Sinks {
		if _, ok := next.Sinks[name]; !ok {
			left, err := leaving(db, name, stored.Sinks[name].Instance)
			if err != nil {
				return err
			}
			p.Sinks[name] = left
		}
	}
	return nil
}
