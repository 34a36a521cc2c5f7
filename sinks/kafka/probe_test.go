package kafka_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/sinks/kafka"
	"github.com/freshet/freshet/stream"
)

func TestProbeReachesTheClusterAndMakesNothing(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "there"))
	if err != nil {
		t.Fatal(err)
	}
	addresses := cluster.ListenAddrs()
	probe := func() (string, error) {
		s, err := kafka.New(kafka.Options{Access: broker.Access{Brokers: addresses}, Topic: "not-there"})
		if err != nil {
			t.Fatal(err)
		}
		return s.Probe(t.Context())
	}
	for range 2 { // the first has made no topic
		if said, err := probe(); err != nil || !strings.Contains(said, "topics: 1") {
			t.Errorf("a cluster that answers gives %q, %v", said, err)
		}
	}
	cluster.Close()
	var problem *stream.Problem
	if _, err := probe(); !errors.As(err, &problem) || problem.Code != "server_unreachable" || problem.Exit != 3 {
		t.Errorf("a cluster that is gone gives %v", err)
	}
}
