package main

import (
	"errors"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// problemsOf makes problems, which point at their key, of what a package says of its options. An error that is about
// something else stays what it is.
func problemsOf(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, problemsOf(e))
		}
		return errors.Join(all...)
	}
	if o, ok := errors.AsType[*cdc.OptionError](err); ok {
		return &stream.Problem{Code: "bad_value", Field: o.Option, Message: o.Err.Error(), Hint: o.Hint}
	}
	return err
}
