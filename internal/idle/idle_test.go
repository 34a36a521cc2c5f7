package idle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

func TestAWaitLastsUntilItsTimeOrTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := idle.For(t.Context(), time.Minute); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("%v after %s, want nil after a minute", err, time.Since(begun))
		}
		begun = time.Now()
		ending, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if err := idle.For(ending, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("%v after %s, want the end of the context after a second", err, time.Since(begun))
		}
	})
}
