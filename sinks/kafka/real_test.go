package kafka_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/stream/streamtest"
)

func TestTopicsAreASinkOverARealBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("a real broker takes seconds to start")
	}
	addrs := []string{testenv.Kafka(t).Addr()}
	n := 0
	for _, plain := range []bool{false, true} {
		if plain && os.Getenv("FRESHET_SOAK") == "" {
			continue // kfake has shown as much
		}
		streamtest.TestSink(t, streamtest.SinkTraits{Transactions: !plain, Shared: true, Foreign: true}, func(t *testing.T) streamtest.SinkHarness {
			n++
			b := newBoard(t, addrs, fmt.Sprintf("real%d-", n))
			b.options.AtLeastOnce = plain
			return b
		})
	}
}
