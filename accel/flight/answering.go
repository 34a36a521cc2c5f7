package flight

import (
	"errors"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/accel"
)

// answering collects the answers to a request.
type answering struct {
	revision string
	each     []accel.Answer
	seen     []bool
	again    int // rows that the worker wants to be given again
	memory   int // rows for which its memory was too small
	why      string
	usage    accel.Usage
	read     func(a *answering, record arrow.Record, h *head) error // reads the good rows of a part
}

func newAnswering(revision string, rows int) *answering {
	return &answering{revision: revision, each: make([]accel.Answer, rows), seen: make([]bool, rows)}
}

// take takes a part of a reply.
func (a *answering) take(meta *replyMeta, record arrow.Record) error {
	if meta.Error != nil {
		return meta.Error.cause()
	}
	if meta.Done && meta.Revision != nil && *meta.Revision != a.revision {
		return &accel.Error{Kind: accel.Changed, Message: "the worker answers with revision " + quoted(*meta.Revision) +
			", and had revision " + quoted(a.revision) + " when the flow began"}
	}
	a.usage.InputTokens += meta.Tokens
	if record == nil || record.NumRows() == 0 {
		return a.complete(meta)
	}
	h, err := readHead(record)
	if err != nil {
		return err
	}
	for i, place := range h.row.Int64Values() {
		if place < 0 || place >= int64(len(a.each)) {
			return malformed("the reply answers row %d of %d", place, len(a.each))
		}
		if a.seen[place] {
			return malformed("the reply answers row %d twice", place)
		}
		a.seen[place] = true
		if err := a.judge(&a.each[place], &h, i); err != nil {
			return err
		}
	}
	if err := a.read(a, record, &h); err != nil {
		return err
	}
	return a.complete(meta)
}

// guarded makes an error of a panic: damaged batches make Arrow panic in places.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = malformed("the reply is damaged: %v", p)
		}
	}()
	return do()
}

func quoted(revision string) string {
	if revision == "" {
		return "none"
	}
	return revision
}

// judge files what a worker says of a row that it has not answered.
func (a *answering) judge(answer *accel.Answer, h *head, i int) error {
	text := h.text(i)
	switch verdict(h.status.Value(i)) {
	case rowGood:
	case rowInvalid:
		if text == "" {
			text = "the function raised an error without words"
		}
		answer.Err = &accel.Error{Kind: accel.Raised, Message: text}
	case rowTooLong:
		answer.Err = &accel.Error{Kind: accel.Rejected, Message: "too long: " + text}
	case rowMemory:
		a.memory++
		a.why = text
	case rowAgain:
		a.again++
		a.why = text
	default:
		return malformed("the reply gives row %d the status %d", h.row.Value(i), h.status.Value(i))
	}
	return nil
}

// complete checks, at the end of a reply, that every row has its answer.
func (a *answering) complete(meta *replyMeta) error {
	if !meta.Done {
		return nil
	}
	left := 0
	for _, seen := range a.seen {
		if !seen {
			left++
		}
	}
	switch {
	case left > 0:
		return malformed("the reply answers %d of %d rows", len(a.each)-left, len(a.each))
	case a.memory > 0:
		return &accel.Error{Kind: accel.OutOfMemory, Message: a.why}
	case a.again > 0:
		return unavailable(a.why, nil)
	}
	return nil
}

// answers is the end of a request. Of a reply that is wrong nothing is kept.
func (a *answering) answers(err error) (accel.Answers, error) {
	all := accel.Answers{Each: a.each, Usage: a.usage}
	if e, ok := errors.AsType[*accel.Error](err); ok && (e.Kind == accel.Malformed || e.Kind == accel.Changed) {
		all.Each = nil
	}
	return all, err
}
