package engine

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// accountKey is where a model's own memory lies: what it has used, and who answered under its name.
func accountKey(model string) []byte { return metaKey("model/" + model) }

// creditor is a remote model that counts the calls of a stage on its credits.
type creditor interface {
	Use(stage string, c *backpressure.Credits)
}

// remember hands a model what it kept last, and keeps what follows.
func (e *Engine) remember(m stream.RemoteModel) error {
	r, ok := m.(stream.Remembering)
	if !ok {
		return nil
	}
	last, _, err := e.db.State.Get(accountKey(m.Name()))
	if err != nil {
		return err
	}
	return r.Remember(last, func(next []byte) error {
		b := e.db.State.NewBatch()
		b.Put(accountKey(m.Name()), next)
		return e.db.State.Commit(b, true)
	})
}

// acceptModels takes the models of a step as they are now, where another one was found to answer under
// their names: its calls get other fingerprints, so that none of the old results is taken for the new.
func acceptModels(db *statestore.DB, b *statestore.Batch, s *stream.StepNode) error {
	if s.Caller == nil {
		return nil
	}
	m, ok := s.Caller.Calls().Model.(stream.Remembering)
	if !ok {
		return nil
	}
	last, _, err := db.State.Get(accountKey(m.Name()))
	if err != nil {
		return err
	}
	if next, changed := m.Accept(last); changed {
		b.Put(accountKey(m.Name()), next)
	}
	return nil
}

// recallModels has the models of a plan look as the state knows them: what they have used, and under which
// names their calls were answered.
func recallModels(db *statestore.DB, plan *stream.Plan) error {
	for _, m := range plan.Models() {
		r, ok := m.(stream.Remembering)
		if !ok {
			continue
		}
		last, _, err := db.State.Get(accountKey(m.Name()))
		if err != nil {
			return err
		}
		if err := r.Remember(last, nil); err != nil {
			return err
		}
	}
	return nil
}

// stoppedModels says what the models of a stopped flow have used.
func stoppedModels(s *Status, db *statestore.DB, plan *stream.Plan) error {
	if err := recallModels(db, plan); err != nil {
		return err
	}
	for _, m := range plan.Models() {
		if r, ok := m.(stream.Remembering); ok {
			st := modelStatus(r.Queue().Health())
			st.Breaker, st.Reason, st.Until, st.Message = "closed", nil, nil, ""
			s.Models[m.Name()] = st
		}
	}
	return nil
}

// refusalOf is a model's no with its code, and with what the model said.
func refusalOf(a *stream.Answer) refusal {
	r := refusal{call: a.Fingerprint, code: "rejected", message: a.Rejected.Error(), attempts: a.Attempts}
	var more *stream.Rejection
	if errors.As(a.Rejected, &more) {
		r.code, r.reply = more.Code, more.Reply
	}
	return r
}

// Resume tells the models that a person has dealt with what they were waiting for.
func (e *Engine) Resume() {
	for _, m := range e.models {
		if r, ok := m.remote.(stream.Resuming); ok {
			r.Resume()
		}
	}
}

// hindered words what keeps a model from answering.
func hindered(name string, h stream.ModelHealth) (code, message string) {
	code = "model_unavailable"
	if h.Reason == "budget" {
		code = "paused"
	}
	return code, fmt.Sprintf("model %s: %s", name, h.Message)
}
