package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/freshet/freshet/internal/idle"
)

// queue is a queue of SQS, and the messages of it that are held: hidden from others until what they told is durable.
type queue struct {
	session
	api *sqs.Client
	url string

	mu   sync.Mutex
	held map[string]*message // by id
	wake chan struct{}       // one place: that a message was settled, not how many
	room chan struct{}       // one place: that messages were dropped
}

// message is one that has been received.
type message struct {
	id, receipt string
	until       time.Time // when others would see it again
	settled     bool
	sequence    uint64 // the transaction that has to be durable, of a settled one
}

const (
	// queueHides is how long a message is hidden at a time; it is hidden anew when half of that is over. A process
	// that dies gives its messages back within this time.
	queueHides = time.Minute
	queueWait  = 20 * time.Second // of one request for messages, while there are none
	queueBatch = 10               // messages in one request, by the rules of SQS
	// maxHeld bounds the messages held, and so what waits for credit (I9); while there are more none are asked for.
	maxHeld   = 1000
	queueTick = 5 * time.Second
)

// queueEndpoint is the address of the server that a queue's URL names.
func queueEndpoint(of string) (string, error) {
	u, err := url.Parse(of)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") == "" {
		return "", fmt.Errorf("%q is no URL of a queue", of)
	}
	return u.Scheme + "://" + u.Host, nil
}

// queueRegion is the region that the address of a queue at AWS names; empty for others.
func queueRegion(endpoint string) string {
	_, host, _ := strings.Cut(endpoint, "://")
	parts := strings.Split(host, ".")
	if len(parts) >= 4 && parts[0] == "sqs" && strings.Contains(host, ".amazonaws.") {
		return parts[1]
	}
	return ""
}

func dialQueue(ctx context.Context, o *Options) (*queue, error) {
	endpoint, err := queueEndpoint(o.Notify.SQS)
	if err != nil {
		return nil, err
	}
	s, err := openSession(ctx, o, queueRegion(endpoint))
	if err != nil {
		return nil, err
	}
	q := &queue{session: *s, url: o.Notify.SQS, held: make(map[string]*message), wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	q.api = sqs.NewFromConfig(s.config, func(to *sqs.Options) { to.BaseEndpoint = &endpoint })
	return q, nil
}

// probe makes sure that the queue is there.
func (q *queue) probe(ctx context.Context) error {
	_, err := q.api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		return faultOf("look at queue "+q.url, err)
	}
	return nil
}

// hearQueue takes messages, and keeps them until what they told is durable.
func (r *run) hearQueue(ctx context.Context, s *sieve) error {
	var q *queue
	if err := r.despite(ctx, func() (err error) {
		q, err = dialQueue(ctx, &r.source.options)
		return err
	}); err != nil {
		return err
	}
	defer q.close()
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { r.keep(ctx, q) })
	for {
		var got []types.Message
		if err := r.despite(ctx, func() (err error) {
			got, err = q.receive(ctx)
			return err
		}); err != nil {
			return err
		}
		for i := range got {
			p := q.hold(&got[i], s)
			if p == nil {
				continue
			}
			if err := deliver(ctx, r.parcels, p); err != nil {
				return err
			}
		}
	}
}

// despite asks a server for notifications until it answers. Meanwhile the bucket is listed, and people are told.
func (r *run) despite(ctx context.Context, ask func() error) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := ask()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			r.troubles.set(troubleQueue, nil)
			return nil
		}
		r.troubles.set(troubleQueue, r.source.queueFault(err))
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// receive waits for messages; none is no fault.
func (q *queue) receive(ctx context.Context) ([]types.Message, error) {
	for q.crowded() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-q.room:
		}
	}
	out, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: queueBatch,
		WaitTimeSeconds: int32(queueWait / time.Second), VisibilityTimeout: int32(queueHides / time.Second)})
	if err != nil {
		return nil, faultOf("receive messages from "+q.url, err)
	}
	return out.Messages, nil
}

func (q *queue) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held) >= maxHeld
}

// hold keeps a message and gives the parcel that it is; nil where it tells of nothing, so that it may go at once, or is
// one that is held already and has come again.
func (q *queue) hold(m *types.Message, s *sieve) *parcel {
	id := aws.ToString(m.MessageId)
	q.mu.Lock()
	was, again := q.held[id]
	kept := &message{id: id, receipt: aws.ToString(m.ReceiptHandle), until: time.Now().Add(queueHides)}
	if again { // its time was over before it was hidden anew; only the newest receipt counts
		was.receipt, was.until = kept.receipt, kept.until
	} else {
		q.held[id] = kept
	}
	q.mu.Unlock()
	if again {
		return nil
	}
	keys, err := s.keys([]byte(aws.ToString(m.Body)))
	if err != nil || len(keys) == 0 {
		q.settle(kept, 0)
		return nil
	}
	return &parcel{keys: keys, settled: func(sequence uint64) { q.settle(kept, sequence) }}
}

// settle says that a message may go when the state has reached a transaction.
func (q *queue) settle(m *message, sequence uint64) {
	q.mu.Lock()
	m.settled, m.sequence = true, sequence
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// keep removes the messages whose changes are durable (I1), and hides the others for as long as they are held.
func (r *run) keep(ctx context.Context, q *queue) {
	tick := time.NewTicker(queueTick)
	defer tick.Stop()
	for {
		durable, further := r.source.durable.reached()
		if err := errors.Join(q.remove(ctx, durable), q.hide(ctx)); err != nil && ctx.Err() == nil {
			r.source.options.Logger.Warn("messages could not be kept as they should be; they may come again", "queue", q.url, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-further:
		case <-q.wake:
		case <-tick.C:
		}
	}
}

// remove removes the settled messages up to a durable transaction.
func (q *queue) remove(ctx context.Context, durable uint64) error {
	for {
		var some []types.DeleteMessageBatchRequestEntry
		chosen := q.choose(func(m *message) bool { return m.settled && m.sequence <= durable })
		for i, m := range chosen {
			some = append(some, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)})
		}
		if len(some) == 0 {
			return nil
		}
		out, err := q.api.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: some})
		if err != nil {
			return faultOf("remove messages from "+q.url, err)
		}
		// What could not be removed, as its receipt is too old, comes again and is then known for what it is.
		for _, failed := range out.Failed {
			err = errors.Join(err, fmt.Errorf("remove a message from %s: %s", q.url, aws.ToString(failed.Message)))
		}
		q.drop(chosen)
		if err != nil {
			return err
		}
	}
}

// hide hides the messages anew whose time is half over. One that cannot be hidden any longer (SQS allows twelve hours)
// is forgotten: it comes again.
func (q *queue) hide(ctx context.Context) error {
	for {
		soon := time.Now().Add(queueHides / 2)
		chosen := q.choose(func(m *message) bool { return m.until.Before(soon) })
		if len(chosen) == 0 {
			return nil
		}
		some := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(chosen))
		for i, m := range chosen {
			some[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt),
				VisibilityTimeout: int32(queueHides / time.Second)}
		}
		until := time.Now().Add(queueHides)
		out, err := q.api.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: some})
		if err != nil {
			return faultOf("hide messages of "+q.url, err)
		}
		q.mu.Lock()
		for _, m := range chosen {
			if kept := q.held[m.id]; kept != nil {
				kept.until = until
			}
		}
		q.mu.Unlock()
		for _, failed := range out.Failed {
			if i, err := strconv.Atoi(aws.ToString(failed.Id)); err == nil && i < len(chosen) {
				q.drop(chosen[i : i+1])
			}
		}
	}
}

// choose copies up to queueBatch of the held messages.
func (q *queue) choose(which func(*message) bool) []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	var chosen []message
	for _, m := range q.held {
		if which(m) {
			if chosen = append(chosen, *m); len(chosen) == queueBatch {
				break
			}
		}
	}
	return chosen
}

func (q *queue) drop(gone []message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range gone {
		delete(q.held, m.id)
	}
	select {
	case q.room <- struct{}{}:
	default:
	}
}
