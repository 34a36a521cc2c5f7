package kafka

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/internal/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Probe implements stream.Prober: it asks the cluster for what is to be read, and says what stands there.
func (s *Source) Probe(ctx context.Context) (string, error) {
	r := &run{source: s}
	options, err := s.o.Access.Options()
	if err != nil {
		return "", err
	}
	if r.client, err = kgo.NewClient(append(options, kgo.RetryTimeout(askTimeout), kgo.RequestTimeoutOverhead(askTimeout))...); err != nil {
		return "", fmt.Errorf("open client: %w", err)
	}
	defer r.client.Close()
	r.admin = kadm.NewClient(r.client)
	seen, err := r.survey(ctx)
	if err != nil {
		return "", r.unreachable(err, broker.Denied(err))
	}
	partitions := 0
	for _, t := range seen {
		partitions += len(t.partitions)
	}
	if s.o.Topic != "" {
		return fmt.Sprintf("topic %s can be read; partitions: %d", s.o.Topic, partitions), nil
	}
	return fmt.Sprintf("topics %s can be read; topics: %d, partitions: %d", s.o.Topics, len(seen), partitions), nil
}
