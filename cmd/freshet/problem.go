package main

import (
	"errors"

	"github.com/freshet/freshet/stream"
)

// problemsOf makes problems, which point at their key, of what a package says of its options. of tells what one
// error says of an option; nil: it is about something else, and stays what it is.
func problemsOf(err error, of func(error) *stream.Problem) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, problemsOf(e, of))
		}
		return errors.Join(all...)
	}
	if p := of(err); p != nil {
		return p
	}
	return err
}

// badValue is an option that cannot be meant.
func badValue(option string, err error, hint string) *stream.Problem {
	return &stream.Problem{Code: "bad_value", Field: option, Message: err.Error(), Hint: hint}
}
