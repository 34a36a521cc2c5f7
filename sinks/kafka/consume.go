package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// span is a range of offsets.
type span struct{ from, to int64 }

// spans are ranges by topic and partition.
type spans map[string]map[int32]span

// What a client that reads a topic back may hold, and how long it waits for more.
const (
	fetchBytes  = 8 << 20
	fetchWait   = 250 * time.Millisecond
	fetchStalls = 20 * time.Second
)

var errStalled = errors.New("the brokers give no more records, and not all are read")

// consume calls fn with the committed records of ranges.
func (s *Sink) consume(ctx context.Context, ranges spans, fn func(*kgo.Record) error) error {
	places := map[string]map[int32]kgo.Offset{}
	left := map[string]map[int32]int64{} // offsets to be reached
	n := 0
	for topic, partitions := range ranges {
		places[topic], left[topic] = map[int32]kgo.Offset{}, map[int32]int64{}
		for p, r := range partitions {
			if r.from < r.to {
				places[topic][p], left[topic][p] = kgo.NewOffset().At(r.from), r.to
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	options, err := s.o.Access.Options()
	if err != nil {
		return err
	}
	// The marks of transactions are kept, for one may be the last record of a range.
	client, err := kgo.NewClient(append(options, kgo.ConsumePartitions(places), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxWait(fetchWait))...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	for n > 0 {
		waiting, stop := context.WithTimeoutCause(ctx, fetchStalls, errStalled)
		fetches := client.PollRecords(waiting, 10_000)
		cause := context.Cause(waiting)
		stop()
		if err := fetches.Err(); err != nil {
			return errors.Join(cause, err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			goal, open := left[r.Topic][r.Partition]
			if open && r.Offset >= goal-1 {
				delete(left[r.Topic], r.Partition)
				n--
			}
			if !open || r.Offset >= goal || r.Attrs.IsControl() {
				continue
			}
			if err := fn(r); err != nil {
				return err
			}
		}
	}
	return nil
}
