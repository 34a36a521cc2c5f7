package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pass moves the cursor over offsets at the end of partitions that no record has any more: compaction may
// have taken the last ones, and a fetch never tells. Only a partition that has given nothing since the last
// look is asked.
func (r *run) pass(ctx context.Context, seen map[string]surveyed) error {
	for name, t := range seen {
		for number, e := range t.partitions {
			at := r.cursor.partition(name, number)
			if at == nil || at.next >= e.stable {
				continue
			}
			p := part{name, number}
			last, quiet := r.quiet[p]
			if r.quiet[p] = at.next; !quiet || last != at.next {
				continue
			}
			empty, err := r.empty(ctx, p, t.id, at.next)
			if err != nil {
				return err
			}
			if empty {
				at.next, r.moved = e.stable, true
			}
		}
	}
	return nil
}

// empty asks the leader of a partition whether nothing stands at an offset or behind it.
func (r *run) empty(ctx context.Context, p part, id [16]byte, offset int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	leader, _, err := r.client.PartitionLeader(p.topic, p.partition)
	if err != nil || leader < 0 {
		return false, fmt.Errorf("ask for the leader of %s/%d: %w", p.topic, p.partition, err)
	}
	ask := kmsg.NewPtrFetchRequest()
	ask.MaxBytes, ask.IsolationLevel, ask.SessionEpoch = fetchPartitionBytes, 1, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.topic, id
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.partition, offset, fetchPartitionBytes
	topic.Partitions = append(topic.Partitions, partition)
	ask.Topics = append(ask.Topics, topic)
	said, err := ask.RequestWith(ctx, r.client.Broker(int(leader)))
	if err != nil {
		return false, fmt.Errorf("ask what stands in %s/%d: %w", p.topic, p.partition, err)
	}
	if err := kerr.ErrorForCode(said.ErrorCode); err != nil {
		return false, fmt.Errorf("ask what stands in %s/%d: %w", p.topic, p.partition, err)
	}
	for i := range said.Topics {
		for j := range said.Topics[i].Partitions {
			answer := &said.Topics[i].Partitions[j]
			if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
				return false, fmt.Errorf("ask what stands in %s/%d: %w", p.topic, p.partition, err)
			}
			return len(answer.RecordBatches) == 0, nil
		}
	}
	return false, nil
}

var _ kmsg.Requestor = (*kgo.Broker)(nil)
