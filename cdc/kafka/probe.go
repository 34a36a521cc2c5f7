package kafka

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Probe implements stream.Prober: it asks the cluster for what is to be read, and says what stands there.
func (s *Source) Probe(ctx context.Context) (string, error) {
	seen, err := s.look(ctx)
	if err != nil {
		return "", err
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

// Estimates implements stream.Estimator: the offsets between the ends of the partitions. Those of records that were compacted
// away, of marks and of aborted transactions count as well. A run that begins at the ends reads nothing first.
func (s *Source) Estimates(ctx context.Context) ([]cdc.Estimate, error) {
	if s.o.Start == "latest" {
		return []cdc.Estimate{{}}, nil
	}
	seen, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	all := cdc.Estimate{Bytes: -1}
	for _, t := range seen {
		for _, e := range t.partitions {
			all.Rows += max(0, e.stable-e.first)
		}
	}
	return []cdc.Estimate{all}, nil
}

// look surveys the topics with a client of its own.
func (s *Source) look(ctx context.Context) (map[string]surveyed, error) {
	r := &run{source: s}
	options, err := s.o.Access.Options()
	if err != nil {
		return nil, err
	}
	if r.client, err = kgo.NewClient(append(options, kgo.RetryTimeout(askTimeout), kgo.RequestTimeoutOverhead(askTimeout))...); err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	defer r.client.Close()
	r.admin = kadm.NewClient(r.client)
	seen, err := r.survey(ctx)
	if err != nil {
		return nil, r.unreachable(err, broker.Denied(err))
	}
	return seen, nil
}
