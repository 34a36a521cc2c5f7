package accel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// patience is how long somebody waits who asks one question, before being told that the model is out.
const patience = 5 * time.Second

// Once asks one question beside the batchers of a model: somebody waits for the answer. It goes before the
// calls that wait there, and is counted with them. Nothing is asked while nothing may be: then the error is
// a [*backpressure.UnwillingError].
func Once(ctx context.Context, g *backpressure.Governor, a Answerer, asked Asked) (Answer, error) {
	permit, err := g.Wait(ctx, a.Cost(asked), patience)
	if err != nil {
		return Answer{}, err
	}
	var answers Answers
	secured := g.Secure()
	if err = secured; err == nil {
		answers, err = a.Answer(ctx, []Asked{asked})
	}
	if err == nil && len(answers.Each) != 1 {
		err = &Error{Kind: Malformed, Message: fmt.Sprintf("%d answers for one text", len(answers.Each))}
	}
	outcome := outcomeOf(1, &answers, err)
	switch e, ok := errors.AsType[*Error](err); {
	case ok:
		blame(&outcome, e)
	case err != nil && (secured != nil || errors.Is(err, context.Canceled)):
		outcome.Verdict = backpressure.Withdrawn
	case err != nil:
		outcome.Verdict, outcome.Said = backpressure.Failed, err.Error()
	}
	g.Settle(permit, outcome)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == Changed {
		g.Stop(backpressure.ReasonChanged, e.Error())
	}
	if err != nil {
		return Answer{}, err
	}
	if answers.Each[0].Err != nil {
		return Answer{}, answers.Each[0].Err
	}
	return answers.Each[0], nil
}
