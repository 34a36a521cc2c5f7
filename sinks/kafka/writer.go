package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/stream"
)

// writer is an opened target.
type writer struct {
	sink          *Sink
	target        stream.Target
	topics        []string
	progressTopic string
	names         [][][]byte // of columns, as records have them
	sheets        sheets

	limits   map[string]int32 // the largest batch of a topic, in bytes
	forgets  map[string]bool  // topics that forget records by age or size
	client   *kgo.Client      // nil: a fault has ended it
	admin    *kadm.Client
	progress stream.Progress
	mark     mark  // as the target holds it
	behind   int64 // without transactions: the offset behind our mark, as far as we have looked
}

// open makes the topics, takes the target over, and says where it stands.
func (w *writer) open(ctx context.Context) error {
	if err := w.connect(); err != nil {
		return err
	}
	if err := w.make(ctx); err != nil {
		return err
	}
	if err := w.settings(ctx); err != nil {
		return err
	}
	if err := w.connect(); err != nil { // with what was learnt of the topics
		return err
	}
	if err := w.own(ctx); err != nil {
		return err
	}
	had, _, err := w.readMark(ctx)
	if err != nil {
		return err
	}
	seen, err := w.look(ctx)
	if err != nil {
		return err
	}
	t := &w.target
	same := had.State == t.State && had.Instance == t.Instance
	w.progress.Generation, w.progress.Exact = max(had.Generation, t.Generation)+1, !w.sink.o.AtLeastOnce
	if loss := w.lost(had.Topics, seen); same && loss != nil {
		w.sink.o.Logger.Warn("a target has lost rows", "sink", t.Sink, "why", loss)
		w.progress.Wiped = t.Epoch > 0
		had.Epoch = 0
	}
	if same {
		w.progress.Epoch = had.Epoch
	}
	w.progress.Wiped = w.progress.Wiped || t.Epoch > 0 && (!same || had.Epoch < t.Epoch)
	w.progress.Foreign = !same && holds(seen)
	w.mark = mark{State: t.State, Instance: t.Instance, Generation: w.progress.Generation, Epoch: w.progress.Epoch, Turn: had.Turn,
		Plain: w.sink.o.AtLeastOnce, Topics: seen}
	return w.claim(ctx)
}

// claimTries bounds how often a mark that is not found is written again, claimTurns how often by one client.
const (
	claimTries = 12
	claimTurns = 3
)

var errNoMark = errors.New("the mark that was written is not there")

// claim writes the mark in a transaction of its own, the first of a producer, and reads it back. A client that
// learns of a topic within its first transaction may take that back and say that it has committed it; from
// then on it knows the topic of the mark, which is in every transaction.
func (w *writer) claim(ctx context.Context) error {
	for i := range claimTries {
		if err := w.again(ctx); err != nil {
			return err
		}
		w.mark.Turn++
		err := w.write(ctx, func() error { return nil }, &w.mark)
		if errors.Is(err, kerr.OutOfOrderSequenceNumber) {
			continue // the client has lost count of its first records; the next one counts anew
		}
		if err != nil {
			return err
		}
		now, _, err := w.readMark(ctx)
		if err == nil && now.Generation == w.mark.Generation && now.State == w.mark.State && now.Turn == w.mark.Turn {
			return nil
		}
		if err != nil || i%claimTurns == claimTurns-1 {
			w.disconnect()
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("take over %s: %w", w.topics[0], errNoMark)
}

// again makes a producer where the one before has been thrown away, unless a newer opening has the target by now (I3).
func (w *writer) again(ctx context.Context) error {
	if w.client != nil {
		return nil
	}
	if err := w.connect(); err != nil {
		return err
	}
	err := w.own(ctx)
	if err == nil {
		var now mark
		if now, _, err = w.readMark(ctx); err == nil && now.Generation > w.mark.Generation {
			err = fmt.Errorf("take over %s: generation %d, the topic has %d: %w", w.topics[0], w.mark.Generation, now.Generation, stream.ErrFenced)
		}
	}
	if err != nil {
		w.disconnect()
	}
	return err
}

// write sends what fn produces and, with it or behind it, the mark.
func (w *writer) write(ctx context.Context, fn func() error, m *mark) error {
	if w.sink.o.AtLeastOnce {
		return w.plain(ctx, fn, m)
	}
	return w.transaction(ctx, fn, m)
}

// connect opens a client, under the target's transactional id if it has one. It asks nothing yet.
func (w *writer) connect() error {
	w.disconnect()
	options, err := w.sink.o.Access.Options()
	if err != nil {
		return err
	}
	limits := maps.Clone(w.limits)
	if !w.sink.o.AtLeastOnce {
		options = append(options, w.transactional()...)
	}
	client, err := kgo.NewClient(append(options,
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // as Java's clients choose
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			if n := limits[topic]; n > 0 {
				return n
			}
			return defaultBatchBytes
		}),
		kgo.MaxBufferedBytes(bufferBytes), kgo.MetadataMinAge(metadataMinAge), kgo.UnknownTopicRetries(3), kgo.RetryTimeout(requestTimeout))...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	w.client, w.admin = client, kadm.NewClient(client)
	return nil
}

// transactional are the options of a client under the target's transactional id.
func (w *writer) transactional() []kgo.Opt {
	return []kgo.Opt{kgo.TransactionalID("freshet-" + w.topics[0]), kgo.TransactionTimeout(w.sink.o.Timeout)}
}

// Kafka takes batches of about a megabyte unless a topic is set otherwise; records that wait to be sent are
// bounded; a request is tried for requestTimeout, and leaders that have moved are asked for anew after
// metadataMinAge.
const (
	defaultBatchBytes = 1_000_012
	bufferBytes       = 16 << 20
	requestTimeout    = 10 * time.Second
	metadataMinAge    = 500 * time.Millisecond
)

// own takes the transactional id: whatever another producer has open under it is ended, and it can send no
// more (I3).
func (w *writer) own(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if w.sink.o.AtLeastOnce {
		return w.disarm(ctx)
	}
	return takeID(ctx, w.client)
}

func takeID(ctx context.Context, client *kgo.Client) error {
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("take the transactional id: %w", err)
	}
	return nil
}

func (w *writer) disconnect() {
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}

// Progress implements stream.Writer.
func (w *writer) Progress() stream.Progress { return w.progress }

// Close implements stream.Writer.
func (w *writer) Close() error {
	w.disconnect()
	return nil
}

// fenceWait is how long an opening that has just taken the id may need to write its mark.
const fenceWait = 2 * time.Second

// recover makes a new producer after a fault, if the target is still ours, and learns what has become of the
// transaction whose end was not heard.
func (w *writer) recover(ctx context.Context) error {
	if err := w.connect(); err != nil {
		return err
	}
	// Before the id is taken back: the mark of a newer opening must not be overtaken by an older one.
	if err := w.checkOwner(ctx); err != nil {
		return err
	}
	if err := w.own(ctx); err != nil {
		w.disconnect()
		return err
	}
	if err := w.checkOwner(ctx); err != nil {
		return err
	}
	seen, err := w.look(ctx)
	if err != nil {
		w.disconnect()
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("%w: %w", err, stream.ErrLost)
		}
		return err
	}
	if loss := w.lost(w.mark.Topics, seen); loss != nil {
		w.disconnect()
		return fmt.Errorf("%w: %w", loss, stream.ErrLost)
	}
	return w.claim(ctx)
}

// checkOwner reads the mark and makes sure that no newer opening owns the target.
func (w *writer) checkOwner(ctx context.Context) error {
	now, ok, err := w.readMark(ctx)
	if err == nil && !ok {
		err = fmt.Errorf("read progress: topic %s holds none: %w", w.progressTopic, stream.ErrLost)
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		err = fmt.Errorf("%w: %w", err, stream.ErrLost)
	}
	if err != nil {
		w.disconnect()
		return err
	}
	if now.Generation > w.mark.Generation || now.State != w.mark.State {
		w.disconnect()
		return fmt.Errorf("write %s: generation %d, the topic has %d: %w", w.topics[0], w.mark.Generation, now.Generation, stream.ErrFenced)
	}
	w.mark = now
	return nil
}

// transaction sends what fn produces and, with it, the mark; nil: everything is taken back at the end. After a
// fault the client is gone, and what has become of the transaction is learnt by recover.
func (w *writer) transaction(ctx context.Context, fn func() error, m *mark) error {
	if err := w.client.BeginTransaction(); err != nil {
		w.disconnect()
		return fmt.Errorf("begin transaction: %w", err)
	}
	err := fn()
	if err == nil && m != nil {
		err = w.sendMark(ctx, m)
	}
	if err == nil && m != nil {
		if err = w.client.EndTransaction(ctx, kgo.TryCommit); err == nil {
			return nil
		}
		w.disconnect()
		return fmt.Errorf("commit transaction: %w", err)
	}
	ended := w.abort(ctx)
	if err != nil {
		w.disconnect() // what a client has lost count of is not carried into the next transaction
	}
	return errors.Join(err, ended)
}

// abortTimeout bounds the taking back of a transaction; one that cannot be taken back ends with its producer.
const abortTimeout = 5 * time.Second

func (w *writer) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := w.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = w.client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil {
		w.disconnect()
		return fmt.Errorf("abort transaction: %w", err)
	}
	return nil
}
