package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/stream"
)

// applyTimeout bounds one transaction, beside the time that its bytes may take: one that takes longer is
// ended by the brokers.
const applyTimeout = 30 * time.Second

// epochMask cuts the epoch out of a version.
const epochMask = 1<<40 - 1

// Apply implements stream.Writer: the records of whole epochs and the mark in one transaction (I3, I8). Rows
// that are tried apart are sent and taken back, so that no version of a key comes twice. Without transactions
// the mark follows the records.
func (w *writer) Apply(ctx context.Context, txn *stream.Txn) error {
	if txn.Generation < w.mark.Generation {
		return fmt.Errorf("write %s: generation %d, the topic has %d: %w", w.topics[0], txn.Generation, w.mark.Generation, stream.ErrFenced)
	}
	limited, cancel := context.WithTimeout(ctx, min(applyTimeout, w.sink.o.Timeout))
	defer cancel()
	if w.client == nil {
		if err := w.recover(limited); err != nil {
			return err
		}
	}
	next := w.mark
	next.Epoch = max(next.Epoch, txn.Last)
	var m *mark
	if txn.Last > 0 {
		m = &next
	}
	var sent receipt
	err := w.write(limited, func() error {
		if err := w.send(limited, txn, &sent); err != nil {
			return err
		}
		next.Topics = sent.extend(next.Topics)
		return nil
	}, m)
	if err == nil {
		if m != nil {
			w.mark = next
			if !w.sink.o.AtLeastOnce {
				w.await(ctx, &sent)
			}
		}
		return nil
	}
	return w.judge(ctx, txn, &sent, err)
}

// visibleTimeout bounds the wait for readers to see what is committed: the transaction of another producer in
// the same topic may hold them back longer.
const visibleTimeout = time.Second

// await returns when readers of committed records see what was sent: the brokers confirm a commit before every
// partition shows it, and whoever waits for the sink wants to read.
func (w *writer) await(ctx context.Context, sent *receipt) {
	topics := sent.topics()
	ctx, cancel := context.WithTimeout(ctx, visibleTimeout)
	defer cancel()
	for pause := time.Millisecond; len(topics) > 0; pause = min(2*pause, 50*time.Millisecond) {
		stable, err := listed(w.admin.ListCommittedOffsets(ctx, topics...))
		if err != nil || sent.below(stable) {
			return // it is durable all the same
		}
		if idle.For(ctx, pause) != nil {
			return
		}
	}
}

// judge tells what a fault of a transaction means.
func (w *writer) judge(ctx context.Context, txn *stream.Txn, sent *receipt, err error) error {
	if errors.Is(err, kerr.MessageTooLarge) && sent.record != nil {
		reject := &stream.RejectError{Code: "too_large", Err: fmt.Errorf("the topic %s takes no record of that size: %w", sent.record.Topic, err)}
		for e, fault := range txn.Effects {
			if fault != nil {
				return fault
			}
			if w.topics[e.Collection] == sent.record.Topic && e.Key.Text() == string(sent.record.Key) {
				reject.Key = append(cdc.Key(nil), e.Key...)
			}
		}
		return reject
	}
	fenced := errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.TransactionalIDNotFound)
	gone := errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
	if !fenced && !gone {
		return err
	}
	// Another producer has the id, or ours has expired; a topic is gone, or its leader has changed: what it
	// is, recover knows. A newer opening is given the time to write its mark.
	w.disconnect()
	if ended := idle.For(ctx, fenceWait); ended != nil {
		return errors.Join(err, ended)
	}
	limited, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	if now := w.recover(limited); errors.Is(now, stream.ErrFenced) || errors.Is(now, stream.ErrLost) {
		return now
	}
	return err
}

// send produces the records of a range. A record's fault is kept in sent; it shows at the end.
func (w *writer) send(ctx context.Context, txn *stream.Txn, sent *receipt) error {
	p := press{sink: w.sink, target: &w.target, topics: w.topics, names: w.names, flow: []byte(w.target.Flow), sheets: &w.sheets, sent: sent}
	defer p.end()
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		if txn.Last > 0 && e.Version&epochMask <= w.mark.Epoch {
			continue // I3: the topic has it, and records behind it may be newer
		}
		p.send(ctx, w.client, &e)
		if err := sent.err(); err != nil {
			return fmt.Errorf("send record: %w", err)
		}
	}
	p.end()
	return sent.flush(ctx, w.client)
}
