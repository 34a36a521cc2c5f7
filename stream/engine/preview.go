package engine

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Preview is what the next run of a flow would do that the last one has not done. It is an upper bound: rows
// whose texts are in the memo are not told from others before they are evaluated.
type Preview struct {
	Steps map[string]StepPreview `json:"steps"`
	Sinks map[string]SinkPreview `json:"sinks"`
	Total StepPreview            `json:"total"`
}

// StepPreview is the work that waits at one step.
type StepPreview struct {
	Change string `json:"change,omitempty"` // none, added, removed or logic
	Rows   int64  `json:"rows"`             // that are evaluated; of a source that does not know: 0
	Calls  int64  `json:"calls"`            // at most
}

// SinkPreview is what becomes of one target.
type SinkPreview struct {
	Change     string   `json:"change"` // none, create, alter, swap or drop
	Statements []string `json:"statements"`
}

// PreviewStopped compares a plan with the state of a stopped flow, which stays as it is; db is nil where the
// flow has never run. Targets are asked what their opening would do.
func PreviewStopped(ctx context.Context, db *statestore.DB, plan *stream.Plan) (*Preview, error) {
	stored, state := &storedPlan{Flow: plan.Flow}, ""
	if db != nil {
		found, err := loadPlan(db)
		if err != nil {
			return nil, err
		}
		if found != nil {
			stored = found
		}
		id, _, err := db.State.Get(metaKey("state"))
		if err != nil {
			return nil, err
		}
		state = string(id)
	}
	if stored.Flow != plan.Flow {
		return nil, &OtherFlowError{Want: plan.Flow, Found: stored.Flow}
	}
	next, _ := migrate(stored, plan, "")
	p := &Preview{Steps: map[string]StepPreview{}, Sinks: map[string]SinkPreview{}}
	rows, err := countRows(ctx, db, stored, plan)
	if err != nil {
		return nil, err
	}
	p.steps(stored, plan, rows)
	return p, p.sinks(ctx, stored, next, plan, state, db)
}

func (p *Preview) steps(stored *storedPlan, plan *stream.Plan, rows []int64) {
	for _, s := range plan.Steps {
		if s.Hidden {
			continue
		}
		was, ok := stored.Steps[s.Name]
		if !ok && s.Options.Was != "" {
			was, ok = stored.Steps[s.Options.Was]
		}
		change := StepPreview{Change: "none"}
		if !ok || was.Logic != plan.Collections[s.Out].Logic.String() {
			change.Change = "logic"
			if !ok {
				change.Change = "added"
			}
			change.Rows = rows[plan.Collections[s.Out].Root]
			if s.Caller != nil {
				change.Calls = change.Rows
			}
		}
		p.Steps[s.Name] = change
		p.Total.Rows += change.Rows
		p.Total.Calls += change.Calls
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
		case is.Instance != was.Instance || is.Logic != was.Logic:
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
			p.Sinks[name] = SinkPreview{Change: "drop", Statements: []string{}}
		}
	}
	return nil
}

// countRows says by collection how many rows the sources have: those that are held or, where that is not
// known yet, those that the source says it has.
func countRows(ctx context.Context, db *statestore.DB, stored *storedPlan, plan *stream.Plan) ([]int64, error) {
	rows := make([]int64, len(plan.Collections))
	place := make([]int, len(plan.Sources)) // of the next collection among its source's
	for i, c := range plan.Collections {
		if c.Source < 0 {
			continue
		}
		at := place[c.Source]
		place[c.Source]++
		if root, ran := stored.Roots[c.Name]; ran && db != nil {
			from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOwners, root.Instance)
			if err := db.State.Scan(from, to, func(_, _ []byte) error { rows[i]++; return nil }); err != nil {
				return nil, err
			}
			continue
		}
		if e, ok := plan.Sources[c.Source].Source.(stream.Estimator); ok {
			estimates, err := e.Estimates(ctx)
			if err != nil {
				return nil, fmt.Errorf("estimate rows of source %s: %w", plan.Sources[c.Source].Name, err)
			}
			if at < len(estimates) {
				rows[i] = max(estimates[at], 0)
			}
		}
	}
	return rows, nil
}
