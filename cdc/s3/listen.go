package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
)

// listen starts whoever hears of changes, in goroutines that working waits for. What they cannot live with ends the
// run by stop.
func (r *run) listen(ctx context.Context, working *sync.WaitGroup, stop context.CancelCauseFunc) error {
	o := &r.source.options
	s := &r.source.sieve
	s.begin()
	run := func(work func(ctx context.Context) error) {
		r.parcels = make(chan *parcel, maxParcels)
		working.Go(func() {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				stop(err)
			}
		})
		working.Go(func() { r.report(ctx, s) })
	}
	switch {
	case o.Notify.SQS != "":
		run(func(ctx context.Context) error { return r.hearQueue(ctx, s) })
	case o.Notify.Webhook.Addr != "":
		hook, err := openWebhook(ctx, o.Notify.Webhook, s)
		if err != nil {
			return err
		}
		run(func(ctx context.Context) error { return hook.serve(ctx, r.parcels, o.Logger) })
	case o.Notify.Kafka != nil:
		run(func(ctx context.Context) error { return r.hearTopic(ctx, s) })
	}
	return nil
}

// reportEvery is how often it is said that notifications were left out.
const reportEvery = time.Minute

// report says what was left out, when that has grown.
func (r *run) report(ctx context.Context, s *sieve) {
	said := s.tally()
	again := time.NewTicker(reportEvery)
	defer again.Stop()
	tell := func() {
		now := s.tally()
		if now.Unreadable == said.Unreadable && now.Foreign == said.Foreign && now.Outside == said.Outside {
			return
		}
		said = now
		r.source.options.Logger.Warn("notifications were left out", "bucket", s.bucket, "unreadable", now.Unreadable,
			"of_other_buckets", now.Foreign, "outside_of_prefix", now.Outside)
	}
	for {
		select {
		case <-ctx.Done():
			tell()
			return
		case <-again.C:
			tell()
		}
	}
}

// deliver hands a parcel to the run, waiting while it has many.
func deliver(ctx context.Context, to chan<- *parcel, p *parcel) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case to <- p:
		return nil
	}
}

// hand gives keys to the run, if it has room for a parcel.
func hand(to chan<- *parcel, keys []string) bool {
	select {
	case to <- &parcel{keys: keys}:
		return true
	default:
		return false
	}
}

// queueFault names what keeps notifications from being heard.
func (s *Source) queueFault(err error) error {
	return &cdc.SourceError{Code: codeOf(err), Err: err, Hint: "give whoever we are sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the queue, " +
		"and check its URL and region; until then listings find what changes"}
}

// topicFault names what keeps notifications from being read from Kafka.
func (s *Source) topicFault(err error) error {
	code := "server_unreachable"
	if broker.Denied(err) {
		code = "access_denied"
	}
	return &cdc.SourceError{Code: code, Err: err, Hint: "check brokers, topic and rights under notify.kafka; until then listings find what changes"}
}

// codeOf is the code of a fault of a server of AWS.
func codeOf(err error) string {
	if errors.Is(err, errDenied) || errors.Is(err, errIdentity) {
		return "access_denied"
	}
	return "server_unreachable"
}
