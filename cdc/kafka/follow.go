package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lookEvery is how often the topics are looked at: for new partitions, for another topic of the same name,
// for whether anybody answers.
const lookEvery = 3 * time.Second

// follow polls until a fault, or until everything is read that stood there at the start of a run with Once.
// While Put waits nothing is polled, and the client fetches no more than it may hold: that is how
// backpressure reaches the brokers. There is no group whose members would have to show that they live.
func (r *run) follow(ctx context.Context) error {
	for {
		if len(r.goals) == 0 && !r.caught {
			r.caught = true
			if err := r.out.CaughtUp(ctx); err != nil {
				return err
			}
		}
		if r.caught && r.start.Once {
			return nil
		}
		if !time.Now().Before(r.lookAt) {
			if err := r.look(ctx); err != nil {
				return err
			}
			r.lookAt = time.Now().Add(lookEvery)
		}
		if err := r.poll(ctx); err != nil {
			return err
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.goals.settle(r.cursor)
	}
}

// poll takes all that has been fetched, so that the client fetches more meanwhile.
func (r *run) poll(ctx context.Context) error {
	waiting, stop := context.WithDeadline(ctx, r.lookAt)
	fetches := r.client.PollFetches(waiting)
	stop()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				if err := r.take(ctx, t, &t.Partitions[k]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// take takes what was fetched of one partition.
func (r *run) take(ctx context.Context, t *kgo.FetchTopic, p *kgo.FetchPartition) error {
	if p.Err != nil {
		if errors.Is(p.Err, context.DeadlineExceeded) || errors.Is(p.Err, context.Canceled) {
			return nil // the poll's time is over
		}
		if lost(p.Err) {
			return r.guard(p.Err)
		}
		return &setback{fmt.Errorf("fetch %s/%d: %w", t.Topic, p.Partition, p.Err)}
	}
	tc := r.cursor.topic(t.Topic)
	if tc == nil {
		return nil
	}
	if t.TopicID != tc.id && t.TopicID != [16]byte{} && tc.id != [16]byte{} {
		return &setback{fmt.Errorf("fetch %s: another topic has its name", t.Topic)} // the next session's guard names it
	}
	at := tc.partition(p.Partition)
	for _, record := range p.Records {
		if at == nil || record.Offset < at.next {
			continue // taken already
		}
		if err := r.record(ctx, record); err != nil {
			return err
		}
		at.next, at.epoch = record.Offset+1, record.LeaderEpoch
		r.moved = true
		if err := r.full(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look finds out what has become of the topics.
func (r *run) look(ctx context.Context) error {
	seen, err := r.survey(ctx)
	if err != nil {
		if err := r.hinder(err); err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		return nil // the client goes on by itself
	}
	for i := range r.cursor.topics {
		t := &r.cursor.topics[i]
		if now, ok := seen[t.name]; !ok || now.id != t.id {
			return &setback{fmt.Errorf("read topic %s: it is gone, or another one has its name", t.name)}
		}
	}
	before := r.cursor.clone()
	if r.cursor.plan(seen, false) {
		r.moved = true
		r.client.AddConsumePartitions(r.cursor.offsets(before))
	}
	if err := r.pass(ctx, seen); err != nil {
		return &setback{err}
	}
	r.answered()
	return nil
}
