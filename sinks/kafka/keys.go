package kafka

import (
	"bytes"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Keys implements stream.Lister: the keys whose newest record is a row. It reads the topics whole.
func (w *writer) Keys(ctx context.Context, fn func(collection int, key string) error) error {
	options, err := w.sink.o.Access.Options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...) // of its own: Apply may run, and end the writer's
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	first, err := listed(admin.ListStartOffsets(ctx, w.topics...))
	if err != nil {
		return fmt.Errorf("ask for offsets: %w", err)
	}
	ends, err := listed(admin.ListCommittedOffsets(ctx, w.topics...))
	if err != nil {
		return fmt.Errorf("ask for offsets: %w", err)
	}
	ranges := spans{}
	live := map[string]map[string]struct{}{}
	for topic, partitions := range first {
		ranges[topic], live[topic] = map[int32]span{}, map[string]struct{}{}
		for p, o := range partitions {
			ranges[topic][p] = span{o.Offset, ends[topic][p].Offset}
		}
	}
	err = w.sink.consume(ctx, ranges, func(r *kgo.Record) error {
		if r.Value == nil || bytes.HasPrefix(r.Value, []byte(`{"_op":"delete"`)) {
			delete(live[r.Topic], string(r.Key))
		} else {
			live[r.Topic][string(r.Key)] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the keys of topics: %w", err)
	}
	for i, topic := range w.topics {
		for key := range live[topic] {
			if err := fn(i, key); err != nil {
				return err
			}
		}
	}
	return nil
}
