package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// receipt is what the brokers have said of the records of a transaction.
type receipt struct {
	failed atomic.Bool // first is set

	mu     sync.Mutex
	open   int           // sheets and single records of which not everything has been said yet
	none   chan struct{} // closed when open falls to 0, where somebody waits for that
	record *kgo.Record   // the first that was refused
	first  error         // why
	ends   map[string]map[int32]int64
}

// send hands a single record to a client.
func (r *receipt) send(ctx context.Context, client *kgo.Client, record *kgo.Record) {
	r.begin()
	client.Produce(ctx, record, func(record *kgo.Record, err error) {
		r.note(record, err)
		r.close()
	})
}

// begin opens the account of a sheet.
func (r *receipt) begin() {
	r.mu.Lock()
	r.open++
	r.mu.Unlock()
}

// close ends the account of a sheet.
func (r *receipt) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open--; r.open == 0 && r.none != nil {
		close(r.none)
		r.none = nil
	}
}

// flush returns when everything has been said of every record that was sent. Flush of the client alone may
// return before that while it learns of a topic, and a transaction that is ended then is taken back unseen.
func (r *receipt) flush(ctx context.Context, client *kgo.Client) error {
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("send records: %w", err)
	}
	r.mu.Lock()
	var none chan struct{}
	if r.open > 0 {
		r.none = make(chan struct{})
		none = r.none
	}
	r.mu.Unlock()
	if none != nil {
		select {
		case <-none:
		case <-ctx.Done():
			return fmt.Errorf("send records: %w", ctx.Err())
		}
	}
	if err := r.err(); err != nil {
		return fmt.Errorf("send record: %w", err)
	}
	return nil
}

// note takes the word on one record.
func (r *receipt) note(record *kgo.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if r.first == nil {
			r.record, r.first = record, err
			r.failed.Store(true)
		}
		return
	}
	of := r.ends[record.Topic]
	if of == nil {
		if r.ends == nil {
			r.ends = map[string]map[int32]int64{}
		}
		of = map[int32]int64{}
		r.ends[record.Topic] = of
	}
	of[record.Partition] = max(of[record.Partition], record.Offset+1)
}

func (r *receipt) err() error {
	if !r.failed.Load() {
		return nil
	}
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
