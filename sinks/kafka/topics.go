package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/freshet/freshet/internal/idle"
)

// compacted are the settings of a topic that keeps the newest record of each key.
func compacted() map[string]*string {
	policy := "compact"
	return map[string]*string{"cleanup.policy": &policy}
}

// progressSettings keep the topic of progress short, so that its newest record is found at once.
func progressSettings() map[string]*string {
	settings := compacted()
	age, size := "3600000", "1048576"
	settings["segment.ms"], settings["segment.bytes"] = &age, &size
	return settings
}

// make makes what is missing: with one partition, or as the brokers are set, and their replication.
func (w *writer) make(ctx context.Context) error {
	settings := compacted()
	if w.sink.o.Envelopes {
		settings = nil // a delete that is a value would be kept for ever all the same
	}
	there, err := w.admin.ListTopics(ctx, append([]string{w.progressTopic}, w.topics...)...)
	if err != nil {
		return fmt.Errorf("ask for topics: %w", err)
	}
	for _, topic := range w.topics {
		if err := w.makeTopic(ctx, there, topic, -1, settings); err != nil {
			return err
		}
	}
	if err := w.makeTopic(ctx, there, w.progressTopic, 1, progressSettings()); err != nil {
		return err
	}
	return w.served(ctx)
}

// servedTimeout is how long brokers may need to serve topics that they have just made.
const servedTimeout = 5 * time.Second

// served returns when the topics can be read: brokers tell of a topic before its partitions have a leader that
// answers.
func (w *writer) served(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		_, err := listed(w.admin.ListEndOffsets(ctx, append([]string{w.progressTopic}, w.topics...)...))
		if err == nil {
			return nil
		}
		young := errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.LeaderNotAvailable) || errors.Is(err, kerr.NotLeaderForPartition)
		if !young || idle.For(ctx, pause) != nil {
			return fmt.Errorf("ask for offsets: %w", err)
		}
	}
}

func (w *writer) makeTopic(ctx context.Context, there kadm.TopicDetails, topic string, partitions int32, settings map[string]*string) error {
	d, ok := there[topic]
	switch {
	case ok && d.Err == nil:
		return nil
	case ok && !errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("ask for topic %s: %w", topic, d.Err)
	}
	_, err := w.admin.CreateTopic(ctx, partitions, -1, settings, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("make topic %s: %w", topic, err)
	}
	return nil
}

// look finds out what stands in the topics now, and how large a record they take.
func (w *writer) look(ctx context.Context) (map[string]topicMark, error) {
	details, err := w.admin.ListTopics(ctx, w.topics...)
	if err != nil {
		return nil, fmt.Errorf("ask for topics: %w", err)
	}
	first, err := listed(w.admin.ListStartOffsets(ctx, w.topics...))
	if err != nil {
		return nil, fmt.Errorf("ask for offsets: %w", err)
	}
	ends, err := listed(w.admin.ListEndOffsets(ctx, w.topics...))
	if err != nil {
		return nil, fmt.Errorf("ask for offsets: %w", err)
	}
	seen := map[string]topicMark{}
	for _, topic := range w.topics {
		d := details[topic]
		if d.Err != nil {
			return nil, fmt.Errorf("ask for topic %s: %w", topic, d.Err)
		}
		m := topicMark{ID: d.ID.String(), First: map[int32]int64{}, Ends: map[int32]int64{}}
		for p, o := range first[topic] {
			m.First[p] = o.Offset
		}
		for p, o := range ends[topic] {
			m.Ends[p] = o.Offset
		}
		seen[topic] = m
	}
	return seen, nil
}

// settings asks how large a record the topics take, and which of them forget records by age or size.
func (w *writer) settings(ctx context.Context) error {
	w.limits, w.forgets = map[string]int32{}, map[string]bool{}
	all, err := w.admin.DescribeTopicConfigs(ctx, w.topics...)
	if err != nil {
		return fmt.Errorf("ask for the settings of topics: %w", err)
	}
	for _, topic := range all {
		for _, c := range topic.Configs {
			value := c.MaybeValue()
			switch c.Key {
			case "max.message.bytes":
				if n, err := strconv.ParseInt(value, 10, 32); err == nil {
					w.limits[topic.Name] = int32(n)
				}
			case "cleanup.policy":
				w.forgets[topic.Name] = value != "compact"
			}
		}
	}
	return nil
}

// lost says what a topic has lost since a mark was written, or nothing. Records that a topic forgets by age
// or size as it is set are no loss.
func (w *writer) lost(was, is map[string]topicMark) error {
	for topic, m := range was {
		now, ok := is[topic]
		if !ok {
			continue // the sink writes to other topics now
		}
		if m.ID != now.ID {
			return fmt.Errorf("topic %s has been deleted and made again", topic)
		}
		for p, end := range m.Ends {
			if now.Ends[p] < end {
				return fmt.Errorf("partition %d of topic %s ends at offset %d, and had %d", p, topic, now.Ends[p], end)
			}
			if now.First[p] > m.First[p] && !w.forgets[topic] {
				return fmt.Errorf("records of partition %d of topic %s up to offset %d are gone", p, topic, now.First[p])
			}
		}
	}
	return nil
}

// holds reports whether topics hold records.
func holds(topics map[string]topicMark) bool {
	for _, t := range topics {
		for p, end := range t.Ends {
			if end > t.First[p] {
				return true
			}
		}
	}
	return false
}
