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
		{errors.Join(refused, errors.New("127.0.0.1:5432 (127.0.0.1): dial error: dial tcp 127.0.0.1:5432: connect: no route")), "127.0.0.1: connection refused; connect: no route"},
		{errors.Join(refused, errors.New("10.0.0.9:5432 (db.example): dial error: dial tcp 10.0.0.9:5432: i/o timeout")), "10.0.0.9:5432: i/o timeout; 127.0.0.1: connection refused"},
	} {
		if got := once("127.0.0.1:5432", x.of); got.Error() != x.want || !errors.Is(got, refused) {
			t.Errorf("it says %q, want %q, and the cause kept", got, x.want)
		}
	}
}
