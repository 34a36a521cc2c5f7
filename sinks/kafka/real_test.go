package kafka_test

import (
	"fmt"
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
	streamtest.TestSink(t, streamtest.SinkTraits{Transactions: true, Shared: true, Foreign: true}, func(t *testing.T) streamtest.SinkHarness {
		n++
		return newBoard(t, addrs, fmt.Sprintf("real%d-", n))
	})
}
