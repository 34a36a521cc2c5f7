package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/stream"
)

// plain sends what fn produces and then the mark, without a transaction. After a fault it waits for the word on what is
// under way: nothing old may come behind what is sent next, so that the newest record of a key is its newest version.
func (w *writer) plain(ctx context.Context, fn func() error, m *mark) error {
	if err := w.unmatched(ctx); err != nil {
		return err
	}
	err := fn()
	if err == nil && m != nil { // rows that are tried apart come again, with their epoch
		err = w.sendMark(ctx, m)
	}
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if w.client.AbortBufferedRecords(ctx) != nil {
		w.disconnect()
	}
	return err
}

// unmatched makes sure that nobody with a newer generation has written the mark since we looked (I3): brokers fence no
// producer without a transactional id. One that comes while a range is being written is met with the next range.
func (w *writer) unmatched(ctx context.Context) error {
	ends, err := listed(w.admin.ListEndOffsets(ctx, w.progressTopic))
	if err != nil {
		return fmt.Errorf("read progress: %w", err)
	}
	end, _ := ends.Lookup(w.progressTopic, 0)
	if end.Offset == w.behind {
		return nil
	}
	now, _, err := w.readMark(ctx)
	if err != nil {
		return err
	}
	if now.Generation > w.mark.Generation {
		return fmt.Errorf("write %s: generation %d, the topic has %d: %w", w.topics[0], w.mark.Generation, now.Generation, stream.ErrFenced)
	}
	w.behind = end.Offset
	return nil
}

// disarm ends the producer that an earlier opening has left under the target's transactional id, and its transaction,
// which would hold back the readers of the mark. Where no transaction was ever made it needs no right to.
func (w *writer) disarm(ctx context.Context) error {
	had, ok, err := w.readMark(ctx)
	if err != nil || !ok || had.Plain {
		return err
	}
	options, err := w.sink.o.Access.Options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(options, w.transactional()...)...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	return takeID(ctx, client)
}
