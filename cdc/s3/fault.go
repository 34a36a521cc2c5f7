package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/freshet/freshet/cdc"
)

// What a server has said. Everything else is an outage.
var (
	errAbsent    = errors.New("nothing stands there")
	errChanged   = errors.New("it has changed meanwhile")
	errDenied    = errors.New("access is denied")
	errNoBucket  = errors.New("there is no such bucket")
	errArchived  = errors.New("it is archived")
	errRefused   = errors.New("the server refuses it")
	errElsewhere = errors.New("the bucket lies in another region")
	errDisorder  = errors.New("the keys are not in order")
	errIdentity  = errors.New("it is not known who we are")
)

// elsewhereError says where the bucket is.
type elsewhereError struct{ region string }

func (e *elsewhereError) Error() string        { return errElsewhere.Error() + ", " + e.region }
func (e *elsewhereError) Is(target error) bool { return target == errElsewhere }

// elsewhere is the region that an error names; empty where it names none.
func elsewhere(err error) string {
	if e, ok := errors.AsType[*elsewhereError](err); ok {
		return e.region
	}
	return ""
}

func isAbsent(err error) bool { return errors.Is(err, errAbsent) }

// faultOf sorts what the client says of a request.
func faultOf(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	code, status, region := "", 0, ""
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		code = answer.ErrorCode()
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
		if raw := response.HTTPResponse(); raw != nil && raw.Response != nil {
			region = raw.Header.Get("X-Amz-Bucket-Region")
		}
	}
	if status == http.StatusMovedPermanently || code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" {
		return fmt.Errorf("%s: %w", what, &elsewhereError{region: region})
	}
	if is := meaning(code, status); is != nil {
		return fmt.Errorf("%s: %w (%s)", what, is, said(err, code, status))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// meaning is what an error code or, where there is none as in answers to HEAD, a status says.
func meaning(code string, status int) error {
	switch code {
	case "NoSuchBucket":
		return errNoBucket
	case "NoSuchKey", "NoSuchVersion":
		return errAbsent
	case "PreconditionFailed", "InvalidRange", "ConditionalRequestConflict":
		return errChanged
	case "InvalidObjectState":
		return errArchived
	case "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException":
		return nil
	}
	switch status {
	case http.StatusNotFound:
		return errAbsent
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return errChanged
	case http.StatusUnauthorized, http.StatusForbidden:
		return errDenied
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return nil
	}
	if status >= 400 && status < 500 {
		return errRefused
	}
	return nil
}

// said is what the server gave as its reason, in few words.
func said(err error, code string, status int) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorMessage() != "" {
		return strings.TrimSpace(code + ": " + answer.ErrorMessage())
	}
	if code != "" {
		return code
	}
	return fmt.Sprintf("status %d", status)
}

// fault names what keeps the bucket from being read.
func (s *Source) fault(err error) error {
	where := "bucket " + s.options.Bucket
	if s.options.Endpoint != "" {
		where += " at " + s.options.Endpoint
	}
	switch {
	case errors.Is(err, errIdentity):
		return &cdc.SourceError{Code: "access_denied", Err: err, Hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or mend what that variable names"}
	case errors.Is(err, errDenied):
		return &cdc.SourceError{Code: "access_denied", Err: fmt.Errorf("read %s: %w", where, err),
			Hint: "give the user of AWS_ACCESS_KEY_ID, or the role, s3:ListBucket on the bucket and s3:GetObject on its objects"}
	case errors.Is(err, errNoBucket), errors.Is(err, errAbsent):
		return &cdc.SourceError{Code: "server_unreachable", Err: fmt.Errorf("read %s: %w", where, err),
			Hint: "check the bucket's name and, where it is not at AWS, the endpoint: freshet makes no bucket"}
	case errors.Is(err, errRefused):
		return &cdc.SourceError{Code: "access_denied", Err: fmt.Errorf("read %s: %w", where, err),
			Hint: "objects that are encrypted with a key of the writer's cannot be read by others"}
	case errors.Is(err, errElsewhere):
		return &cdc.SourceError{Code: "server_unreachable", Err: fmt.Errorf("read %s: %w", where, err), Hint: "name the bucket's region: `region`"}
	case errors.Is(err, errDisorder):
		return &cdc.SourceError{Code: "server_unreachable", Err: fmt.Errorf("read %s: %w", where, err),
			Hint: "directory buckets list their keys in no order and cannot be read: use a general purpose bucket"}
	}
	return &cdc.SourceError{Code: "server_unreachable", Err: fmt.Errorf("reach %s: %w", where, err),
		Hint: "check endpoint and region, and that the server can be reached from here"}
}

// utf8Key reports whether a key can be that of a row.
func utf8Key(key string) bool { return utf8.ValidString(key) }
