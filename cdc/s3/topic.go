package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/internal/idle"
)

// topicOverlap is how far before the start records are read, so that clocks that differ lose none. What comes twice is
// looked at twice.
const topicOverlap = 5 * time.Minute

// hearTopic reads notifications from a Kafka topic. No offset is kept: every start lists the whole bucket, after it
// has begun to read from a place before.
func (r *run) hearTopic(ctx context.Context, s *sieve) error {
	t := r.source.options.Notify.Kafka
	options, err := t.Access.Options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(options, kgo.ConsumeTopics(t.Topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-topicOverlap).UnixMilli())),
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20), kgo.RetryTimeout(dialTimeout))...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	for {
		fetches := client.PollRecords(ctx, maxParcels)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var failed error
		fetches.EachError(func(topic string, partition int32, err error) {
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				failed = fmt.Errorf("read notifications from %s/%d: %w", topic, partition, err)
			}
		})
		if failed != nil {
			r.troubles.set(troubleQueue, r.source.topicFault(failed))
			if err := idle.For(ctx, pauseMin); err != nil {
				return err
			}
		} else {
			r.troubles.set(troubleQueue, nil)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			keys, err := s.keys(records.Next().Value)
			if err != nil || len(keys) == 0 {
				continue
			}
			if err := deliver(ctx, r.parcels, &parcel{keys: keys}); err != nil {
				return err
			}
		}
	}
}
