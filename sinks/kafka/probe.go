package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Probe implements stream.Prober: it asks the cluster for its topics, and makes nothing.
func (s *Sink) Probe(ctx context.Context) (string, error) {
	options, err := s.o.Access.Options()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, err := kgo.NewClient(append(options, kgo.RetryTimeout(requestTimeout/2))...)
	if err != nil {
		return "", fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		return "", s.unreachable(fmt.Errorf("ask for topics: %w", err))
	}
	return fmt.Sprintf("reached; topics: %d", len(topics)), nil
}
