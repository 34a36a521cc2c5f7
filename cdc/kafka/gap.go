package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// gap holds a cursor against what stands in the topics (I10). Its error says what has been lost: the topic
// is another one of the same name, its end lies before what was read, or records behind what was read are
// gone. What is gone before that is no loss: it was taken.
func (c *cursor) gap(seen map[string]surveyed) error {
	for i := range c.topics {
		t := &c.topics[i]
		now, ok := seen[t.name]
		if !ok {
			return fmt.Errorf("topic %s is gone", t.name)
		}
		if t.id != now.id && t.id != [16]byte{} && now.id != [16]byte{} {
			return fmt.Errorf("topic %s has been deleted and made again", t.name)
		}
		for _, p := range t.partitions {
			e, ok := now.partitions[p.partition]
			switch {
			case !ok:
				return fmt.Errorf("topic %s has lost its partition %d", t.name, p.partition)
			case e.last < p.next:
				return fmt.Errorf("partition %d of topic %s ends at offset %d, and was read up to %d", p.partition, t.name, e.last, p.next)
			case e.first > p.next:
				return fmt.Errorf("partition %d of topic %s begins at offset %d: %d offsets from %d on are gone and were not read",
					p.partition, t.name, e.first, e.first-p.next, p.next)
			}
		}
	}
	return nil
}

// guard makes what is to be done of a gap: the flow stops and names it, or the source is read again.
func (r *run) guard(gap error) error {
	if r.source.o.OnGap == "reread" {
		r.source.o.Logger.Warn("the source is read again from the first offset", "why", gap)
		return fmt.Errorf("%w: %w", gap, cdc.ErrReread)
	}
	return &cdc.SourceError{Code: "data_guard", Err: fmt.Errorf("%w: %w", gap, cdc.ErrGap),
		Hint: "`freshet reset <flow> --source NAME --yes` reads the topic from its first offset at the next run, and removes what is not there; " +
			"with `on_gap: reread` a run does so by itself"}
}

// lost tells the errors of a fetch that say that the log has been cut.
func lost(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.As(err, &loss)
}

// plan makes the cursor fit what stands in the topics: partitions that it does not know begin at their
// start, or at the end where a first run is to begin there. It reports whether anything was new.
func (c *cursor) plan(seen map[string]surveyed, latest bool) (grown bool) {
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		t := c.topic(name)
		if t == nil {
			t, grown = c.add(topicCursor{name: name, id: seen[name].id}), true
		}
		if t.id == [16]byte{} {
			t.id = seen[name].id
		}
		for _, number := range slices.Sorted(maps.Keys(seen[name].partitions)) {
			if t.partition(number) != nil {
				continue
			}
			e := seen[name].partitions[number]
			p := partitionCursor{partition: number, next: e.first, epoch: -1}
			if latest {
				p.next = e.stable
			}
			t.add(p)
			grown = true
		}
	}
	return grown
}
