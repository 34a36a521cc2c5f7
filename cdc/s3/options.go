package s3

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/broker"
)

// Defaults of [Options].
const (
	DefaultMaxSize   = 64 << 20
	DefaultReconcile = time.Hour
	DefaultMaxDelete = 0.5
)

// maxMaxSize keeps a row that carries an object twice, as content and as text, below the 4 GiB of a batch.
const maxMaxSize = 1 << 30

// Options say which objects are rows and how changes are noticed. The zero value of a field is its default. Who we
// are is read as the tools of AWS do: from AWS_ACCESS_KEY_ID and its like in the environment, a profile, the role of the machine;
// where there is nothing of the kind, requests are anonymous.
type Options struct {
	Bucket string // must be given
	Prefix string // of the keys that are rows; empty: all
	// Endpoint is the address of a server that is not AWS, such as http://localhost:9000; its buckets are
	// addressed by path.
	Endpoint string
	Region   string // default: that of the environment, or us-east-1

	Notify Notify
	// Reconcile is how often the whole bucket is listed (default 1 h).
	Reconcile time.Duration

	MaxSize int64 // bytes; a larger object is rejected without being fetched (default 64 MiB)

	// MaxDelete is the share of the known objects that a listing may find gone, of 100 or more; beyond it
	// nothing is deleted (default 0.5; 1 allows all). Deletes that notifications tell are not counted.
	MaxDelete float64

	Logger *slog.Logger // nil discards
}

// Notify says who tells of changes; at most one field is set. The zero value: nobody, and listings find them.
type Notify struct {
	SQS     string // the URL of a queue
	Webhook Webhook
	Kafka   *Topic
	Poll    time.Duration // list the bucket this often
}

// Webhook is an address where notifications are posted, as MinIO does.
type Webhook struct {
	Addr string // host:port to listen at; empty: no webhook
	// Token is what a request has to show as `Authorization: Bearer …`. An address that others can reach needs one.
	Token string
}

// Topic is a Kafka topic whose records are notifications.
type Topic struct {
	broker.Access
	Topic string
}

// settle checks the options, without asking anybody, and sets defaults.
func (o *Options) settle() error {
	var faults []error
	wrong := func(option, hint, format string, args ...any) {
		faults = append(faults, &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint})
	}
	if o.Bucket == "" {
		wrong("bucket", "name the bucket, such as bucket: docs", "no bucket is named")
	}
	if strings.Contains(o.Bucket, "/") && !strings.HasPrefix(o.Bucket, "arn:") {
		wrong("bucket", "write the name alone, and what follows it under prefix", "%q is no name of a bucket", o.Bucket)
	}
	if o.Endpoint != "" {
		if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			wrong("endpoint", "write an address such as http://localhost:9000", "%q is no address", o.Endpoint)
		}
	}
	if o.MaxSize < 0 || o.MaxSize > maxMaxSize {
		wrong("max_size", "choose a size up to 1GiB", "%d bytes are out of range", o.MaxSize)
	}
	if o.Reconcile < 0 {
		wrong("reconcile", "choose an interval such as 1h", "%v is negative", o.Reconcile)
	}
	if !(o.MaxDelete >= 0 && o.MaxDelete <= 1) {
		wrong("max_delete", "choose a share between 0 and 1, such as 0.5", "%v is no share", o.MaxDelete)
	}
	faults = append(faults, o.Notify.check()...)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if o.Reconcile == 0 {
		o.Reconcile = DefaultReconcile
	}
	if o.MaxDelete == 0 {
		o.MaxDelete = DefaultMaxDelete
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (n *Notify) check() []error {
	var faults []error
	wrong := func(option, hint, format string, args ...any) {
		faults = append(faults, &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint})
	}
	ways := 0
	for _, set := range []bool{n.SQS != "", n.Webhook.Addr != "", n.Kafka != nil, n.Poll != 0} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		wrong("notify", "keep one of sqs, webhook, kafka and poll", "%d ways to be told are given", ways)
	}
	if n.SQS != "" {
		if _, err := queueEndpoint(n.SQS); err != nil {
			wrong("notify.sqs", "write the queue's URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/docs", "%w", err)
		}
	}
	if n.Webhook.Addr != "" {
		host, _, err := net.SplitHostPort(n.Webhook.Addr)
		if err != nil {
			wrong("notify.webhook", "write host:port to listen at, such as 127.0.0.1:9010", "%q is no host:port", n.Webhook.Addr)
		} else if n.Webhook.Token == "" && !loopback(host) {
			wrong("notify.webhook", `give a token too: webhook: {addr: "`+n.Webhook.Addr+`", token: "${NAME}"}, or listen at 127.0.0.1`,
				"whoever reaches %s could post there", n.Webhook.Addr)
		}
	}
	if n.Kafka != nil {
		if n.Kafka.Topic == "" {
			wrong("notify.kafka.topic", "name the topic that the notifications go to", "no topic is named")
		}
		if _, err := n.Kafka.Access.Options(); err != nil {
			option, hint := "notify.kafka.brokers", ""
			if of, ok := errors.AsType[*cdc.OptionError](err); ok {
				option, hint, err = "notify.kafka."+of.Option, of.Hint, of.Err
			}
			wrong(option, hint, "%w", err)
		}
	}
	if n.Poll < 0 {
		wrong("notify.poll", "choose an interval such as 5m", "%v is negative", n.Poll)
	}
	return faults
}

// loopback reports whether only this machine reaches an address. No name is looked up: localhost is the only one
// that is believed.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
