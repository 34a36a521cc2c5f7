package kafka_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// The tests below run against a real broker, where one is installed.

func TestSourceConformsOverARealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds to start")
	}
	conform(t, newWorldAt(t, testenv.Kafka(t).Addr()))
}

// I10: a real broker's topic ids tell a topic that was made again.
func TestARealTopicThatIsMadeAgainStopsTheRun(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds to start")
	}
	w := newWorldAt(t, testenv.Kafka(t).Addr())
	w.options.Topic = "again"
	_, err := w.admin.CreateTopic(t.Context(), 1, 1, nil, "again")
	w.must(err, w.Write("a", "1"))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	_, err = w.admin.DeleteTopic(t.Context(), "again")
	w.must(err)
	var fault *cdc.SourceError
	if err := w.once(in.Crash()); !errors.As(err, &fault) || fault.Code != "server_unreachable" {
		t.Errorf("a topic that is gone ends the run with %v", err)
	}
	_, err = w.admin.CreateTopic(t.Context(), 1, 1, nil, "again")
	w.must(err)
	w.must(guest{w}.with(func(w *world) error { return errors.Join(w.Write("a", "1"), w.Write("b", "2")) }))
	next := in.Crash()
	if err := w.once(next); !errors.Is(err, cdc.ErrGap) || len(next.Puts()) > 0 {
		t.Errorf("a topic that is made again ends the run with %v after %d changes", err, len(next.Puts()))
	}
}

// A broker that is killed and comes back costs the source time, and nothing else.
func TestARealBrokerMayBeKilled(t *testing.T) {
	if os.Getenv("FRESHET_SOAK") != "1" {
		t.Skip("a broker of its own takes some twenty seconds: FRESHET_SOAK=1 runs it")
	}
	server := testenv.OwnKafka(t)
	w := newWorldAt(t, server.Addr())
	_, err := w.admin.CreateTopic(t.Context(), 2, 1, nil, "t")
	w.must(err, w.Write("a", "1"))
	in := cdctest.NewInlet()
	w.live(in)
	w.holds(in, map[string]string{"a": "1"})
	server.Kill(t)
	w.must(in.Wait(t.Context(), "a problem", func() bool { return in.Hindrance() != nil }))
	server.Start(t)
	began := time.Now()
	w.must(w.Write("a", "2"))
	w.holds(in, map[string]string{"a": "2"})
	t.Logf("the source has gone on %v after the broker answered", time.Since(began))
	w.must(in.Wait(t.Context(), "no problem", func() bool { return in.Hindrance() == nil }))
}
