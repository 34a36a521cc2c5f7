package kafka

import (
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// receipt is what the brokers have said of the records of a transaction.
type receipt struct {
	mu     sync.Mutex
	record *kgo.Record // the first that was refused
	first  error       // why
	ends   map[string]map[int32]int64
}

// promise takes the word on one record; a client calls it.
func (r *receipt) promise(record *kgo.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && r.first == nil:
		r.record, r.first = record, err
	case err == nil:
		if r.ends == nil {
			r.ends = map[string]map[int32]int64{}
		}
		if r.ends[record.Topic] == nil {
			r.ends[record.Topic] = map[int32]int64{}
		}
		r.ends[record.Topic][record.Partition] = max(r.ends[record.Topic][record.Partition], record.Offset+1)
	}
}

func (r *receipt) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// extend gives the topics of a mark with the ends that records have come to.
func (r *receipt) extend(topics map[string]topicMark) map[string]topicMark {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) == 0 {
		return topics
	}
	next := map[string]topicMark{}
	for topic, m := range topics {
		ends := map[int32]int64{}
		for p, end := range m.Ends {
			ends[p] = end
		}
		for p, end := range r.ends[topic] {
			ends[p] = end
		}
		next[topic] = topicMark{ID: m.ID, Ends: ends, First: m.First}
	}
	return next
}

// topics are those that records were sent to.
func (r *receipt) topics() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.ends))
}

// below reports whether all records lie before the given offsets.
func (r *receipt) below(stable kadm.ListedOffsets) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, partitions := range r.ends {
		for p, end := range partitions {
			if o, ok := stable.Lookup(topic, p); !ok || o.Offset < end {
				return false
			}
		}
	}
	return true
}
