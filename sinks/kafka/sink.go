package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/stream"
)

// Options say which topics are written, and how.
type Options struct {
	broker.Access
	// Topic is the topic's name. {collection} in it stands for the name of the collection; a sink of several
	// collections needs it, and empty is just that.
	Topic string
	// Envelopes has deletes written as values that say so, in place of null values.
	Envelopes bool
	// Timeout is how long a transaction may stay open: one that a dead process has left holds back readers
	// as long. Default 1 m; the brokers bound it (transaction.max.timeout.ms).
	Timeout time.Duration
	// AtLeastOnce has records written without transactions, for brokers or rights that know none: readers see parts of
	// epochs, and after a fault or a crash some versions twice.
	AtLeastOnce bool
	Logger      *slog.Logger
}

// Sink is a declared target of topics.
type Sink struct {
	o      Options
	topics []string // by collection, once bound
}

var _ stream.Sink = (*Sink)(nil)

const collectionHole = "{collection}"

// New declares a sink. Its faults are *cdc.OptionError.
func New(o Options) (*Sink, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Topic == "" {
		o.Topic = collectionHole
	}
	if _, err := o.Access.Options(); err != nil {
		return nil, fmt.Errorf("reach brokers: %w", err)
	}
	return &Sink{o: o}, nil
}

// Bind implements stream.Sink.
func (s *Sink) Bind(in []stream.Collection) (stream.Binding, error) {
	names := make([]string, len(in))
	for i := range in {
		names[i] = in[i].Name
	}
	topics, err := s.named(names)
	if err != nil {
		return stream.Binding{}, err
	}
	storage := fmt.Sprintf("kafka %s %v", strings.Join(topics, ","), s.o.Envelopes)
	return stream.Binding{Storage: []byte(storage)}, nil
}

// named gives the topic of each collection.
func (s *Sink) named(collections []string) ([]string, error) {
	seen := map[string]bool{}
	var topics []string
	for _, c := range collections {
		topic := strings.ReplaceAll(s.o.Topic, collectionHole, c)
		if seen[topic] {
			return nil, &stream.Problem{Code: "bad_value", Field: "topic", Message: fmt.Sprintf("several collections would go to the topic %s", topic),
				Hint: "put {collection} into the name, or leave topic out: each collection then goes to the topic that is named after it"}
		}
		if err := checkTopic(topic); err != nil {
			return nil, &stream.Problem{Code: "bad_value", Field: "topic", Message: err.Error(), Hint: "a topic's name is made of letters, digits, '.', '_' and '-', at most 200 of them"}
		}
		seen[topic] = true
		topics = append(topics, topic)
	}
	return topics, nil
}

// topicMax leaves room for the name of the topic of progress; Kafka allows 249.
const topicMax = 200

func checkTopic(name string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	if name == "" || len(name) > topicMax || name == "." || name == ".." || strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) >= 0 {
		return fmt.Errorf("%q is no name of a topic", name)
	}
	return nil
}

// openTimeout bounds the opening of a target.
const openTimeout = 30 * time.Second

// Open implements stream.Sink: it makes missing topics, reads the mark, and fences.
func (s *Sink) Open(ctx context.Context, t stream.Target) (stream.Writer, error) {
	names := make([]string, len(t.Collections))
	for i := range t.Collections {
		names[i] = t.Collections[i].Name
	}
	topics, err := s.named(names)
	if err != nil {
		return nil, err
	}
	w := &writer{sink: s, target: t, topics: topics, progressTopic: topics[0] + progressSuffix, names: columnNames(t.Collections)}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(s.unreachable(err), w.Close())
	}
	return w, nil
}

// unreachable names a cluster that cannot be written.
func (s *Sink) unreachable(err error) error {
	var problem *stream.Problem
	switch {
	case errors.As(err, &problem) || errors.Is(err, stream.ErrFenced):
		return err
	case broker.Denied(err):
		return &stream.Problem{Code: "access_denied", Field: "sasl", Exit: 3, Message: err.Error(),
			Hint: "check user, password and mechanism, and that the user may write the topic and its progress topic and use transactional ids"}
	}
	return &stream.Problem{Code: "server_unreachable", Field: "brokers", Exit: 3, Message: fmt.Sprintf("reach brokers %v: %v", s.o.Brokers, err),
		Hint: "check that the brokers run and that their advertised addresses can be reached from here"}
}
