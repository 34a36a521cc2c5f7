package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// askTimeout bounds one question to the cluster.
const askTimeout = 5 * time.Second

// surveyed is a topic as the cluster shows it.
type surveyed struct {
	id         [16]byte
	partitions map[int32]extent
}

// extent is what stands in a partition, in offsets.
type extent struct {
	first  int64 // of the first record
	last   int64 // behind the last record
	stable int64 // behind the last record that no open transaction comes before
}

// errNoTopic says that the topic is not there.
var errNoTopic = errors.New("the topic is not there")

// topics asks which of the topics that are read exist, and which partitions they have. It asks for no
// offsets: extents are zero.
func (r *run) topics(ctx context.Context) (map[string]surveyed, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var details kadm.TopicDetails
	var err error
	if r.source.o.Topic != "" {
		details, err = r.admin.ListTopics(ctx, r.source.o.Topic)
	} else {
		details, err = r.admin.ListTopics(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ask for topics: %w", err)
	}
	var pattern *regexp.Regexp
	if r.source.o.Topics != "" {
		if pattern, err = regexp.Compile(`^(?:` + r.source.o.Topics + `)$`); err != nil {
			return nil, fmt.Errorf("read topics: %w", err)
		}
	}
	seen := map[string]surveyed{}
	for name, d := range details {
		switch {
		case pattern != nil && !pattern.MatchString(name):
			continue
		case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			continue
		case d.Err != nil:
			return nil, fmt.Errorf("ask for topic %s: %w", name, d.Err)
		}
		t := surveyed{id: d.ID, partitions: map[int32]extent{}}
		for number := range d.Partitions {
			t.partitions[number] = extent{}
		}
		seen[name] = t
	}
	if len(seen) == 0 && pattern == nil {
		return nil, fmt.Errorf("read topic %s: %w", r.source.o.Topic, errNoTopic)
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("read topics %s: no topic has such a name: %w", r.source.o.Topics, errNoTopic)
	}
	return seen, nil
}

// survey asks what stands in the topics that are read.
func (r *run) survey(ctx context.Context) (map[string]surveyed, error) {
	seen, err := r.topics(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	names := slices.Sorted(maps.Keys(seen))
	for _, ask := range []struct {
		list func(context.Context, ...string) (kadm.ListedOffsets, error)
		set  func(e *extent, offset int64)
	}{
		{r.admin.ListStartOffsets, func(e *extent, offset int64) { e.first = offset }},
		{r.admin.ListEndOffsets, func(e *extent, offset int64) { e.last = offset }},
		{r.admin.ListCommittedOffsets, func(e *extent, offset int64) { e.stable = offset }},
	} {
		listed, err := ask.list(ctx, names...)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("ask for offsets: %w", err)
		}
		for name, t := range seen {
			for number := range t.partitions {
				o, ok := listed.Lookup(name, number)
				if !ok {
					return nil, fmt.Errorf("ask for offsets: the cluster tells none of %s/%d", name, number)
				}
				e := t.partitions[number]
				ask.set(&e, o.Offset)
				t.partitions[number] = e
			}
		}
	}
	return seen, nil
}
