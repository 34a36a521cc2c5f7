package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Denied reports whether a cluster has refused who we are or what we asked for: nothing but a person mends
// that, although it may be mended while we run.
func Denied(err error) bool {
	for _, refusal := range []error{kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
