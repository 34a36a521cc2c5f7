package postgres

import (
	"errors"
	"testing"
)

func TestAttemptsThatEndAlikeAreToldOnce(t *testing.T) {
	refused, other := errors.New("127.0.0.1: connection refused"), errors.New("::1: no route to host")
	for _, x := range []struct {
		of   error
		want string
	}{
		{refused, "127.0.0.1: connection refused"},
		{errors.Join(refused, refused), "127.0.0.1: connection refused"},
		{errors.Join(other, refused, other, refused), "127.0.0.1: connection refused; ::1: no route to host"},
	} {
		if got := once(x.of); got.Error() != x.want || !errors.Is(got, refused) {
			t.Errorf("it says %q, want %q, and the cause kept", got, x.want)
		}
	}
}
