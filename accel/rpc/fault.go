package rpc

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/accel"
)

// Fault is what an error of gRPC means for the calls of its request; what begins its message.
func Fault(what string, err error) *accel.Error {
	kind := accel.Unavailable
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied:
		kind = accel.Auth
	case codes.NotFound, codes.Unimplemented:
		kind = accel.UnknownModel
	case codes.InvalidArgument, codes.OutOfRange:
		kind = accel.Rejected
	default:
		if text := strings.ToLower(status.Convert(err).Message()); strings.Contains(text, "out of memory") || strings.Contains(text, "to allocate") {
			kind = accel.OutOfMemory
		}
	}
	return &accel.Error{Kind: kind, Message: what, Err: err}
}
