package accel

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// Kind says what an [Error] means for the calls of its request and for the next requests.
type Kind uint8

const (
	// Unavailable: the model did not answer (connection, timeout, overload, 408, 429, 5xx). The same
	// call may succeed later.
	Unavailable Kind = iota
	// Malformed: the model answered with what no correct model answers. Treated as an outage; nothing
	// of the reply is kept.
	Malformed
	// Rejected: the model will not take one of the texts (400, 413, 422). Sent alone, it is that
	// text's final answer.
	Rejected
	// Auth: the credentials are wrong or lack a right (401, 403). A person has to act.
	Auth
	// Quota: the account has nothing left (429 insufficient_quota, 402). A person has to act.
	Quota
	// UnknownModel: the server does not have that model (404). A person has to act.
	UnknownModel
	// OutOfMemory: the request was too much for the server's memory. Less of it may be answered; a text that
	// is too much alone is rejected.
	OutOfMemory
	// Changed: another model answers under the same name. Nothing of its reply is kept, and nothing more is
	// asked of it.
	Changed
	// Refused: the model declines to answer this input. Its final answer, not asked again.
	Refused
	// Truncated: the answer does not fit into the room for it, nor into twice as much.
	Truncated
	// Invalid: what the model answers is not what was asked for, nor when it is told so.
	Invalid
	// Raised: the function that was called raised an error on this call. Its final answer.
	Raised
	// Broke: the worker died, or did not answer in time, while it was at one of these calls. They are asked
	// again, those that [Error.Rows] name alone, and one with which it breaks each time is given up.
	Broke
)

// String returns the kind as the status reports it.
func (k Kind) String() string {
	switch k {
	case Unavailable:
		return "unavailable"
	case Malformed:
		return "malformed"
	case Rejected:
		return "rejected"
	case Auth:
		return "auth"
	case Quota:
		return "quota"
	case UnknownModel:
		return "unknown_model"
	case OutOfMemory:
		return "out_of_memory"
	case Changed:
		return "model_changed"
	case Refused:
		return "refused"
	case Truncated:
		return "truncated"
	case Invalid:
		return "invalid_output"
	case Raised:
		return "worker_error"
	case Broke:
		return "worker_failed"
	}
	return "kind " + strconv.Itoa(int(k))
}

// reason is the hindrance that an error of this kind puts up; empty when it puts up none that a person has
// to end.
func (k Kind) reason() backpressure.Reason {
	switch k {
	case Auth:
		return backpressure.ReasonAuth
	case Quota:
		return backpressure.ReasonQuota
	case UnknownModel:
		return backpressure.ReasonUnknownModel
	}
	return ""
}

// Error is a request that a model did not answer. It never holds a credential and no more of a
// server's reply than its short message.
type Error struct {
	Kind Kind

	// Status is the HTTP status; 0 when none arrived.
	Status int

	// RetryAfter is how long the server asked to be left alone, counted from the reply. Zero means
	// that it did not ask.
	RetryAfter time.Duration

	// Announced are the limits that the server told of beside its refusal.
	Announced []backpressure.Announcement

	// Rows are the places in the request of the texts that were rejected, or that a worker was at when it
	// broke, where that is known.
	Rows []int

	// Dims is how long a vector of the reply is that has another length than is wanted; 0: that is not what is wrong.
	Dims int

	// Reply is what a model answered that was refused, truncated or invalid, as it came.
	Reply string

	// Message says in one line what the server said or what was wrong with its reply.
	Message string

	// Err is the cause below the protocol, such as a refused connection; nil when there is none.
	Err error
}

// Error returns kind, status, message and cause in one line.
func (e *Error) Error() string {
	s := "model " + e.Kind.String()
	if e.Status != 0 {
		s += " (" + strconv.Itoa(e.Status) + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports that the same call may succeed later without anyone acting.
func (e *Error) Retryable() bool {
	return e.Kind == Unavailable || e.Kind == Malformed || e.Kind == OutOfMemory || e.Kind == Broke
}

// Hint says what a user can do about the error; empty when waiting is all there is to do.
func (e *Error) Hint() string {
	switch e.Kind {
	case Auth:
		return "check the model's api_key and what it is allowed to do, then resume the flow"
	case Quota:
		return "raise the account's quota with the provider, then resume the flow"
	case Changed:
		return "embed everything anew with the model as it is now, or bring the old one back"
	case UnknownModel:
		return "check the model's name and base_url; the server lists its models under /models"
	}
	return ""
}

// asError returns err as an *Error. What is not one says nothing about texts or credentials, so it
// counts as an outage.
func asError(err error, limit time.Duration) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: Unavailable, Message: "no complete answer within " + limit.String(), Err: err}
	}
	return &Error{Kind: Unavailable, Err: err}
}
