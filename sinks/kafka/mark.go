package kafka

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// progressSuffix makes the name of the topic that holds the mark.
const progressSuffix = "-freshet-progress"

// mark is what a target says of itself.
type mark struct {
	State      string               `json:"state"`
	Instance   uint32               `json:"instance"`
	Generation uint64               `json:"generation"`
	Epoch      uint64               `json:"epoch"`
	Turn       uint64               `json:"turn"`            // grows with every producer that takes the target over
	Plain      bool                 `json:"plain,omitempty"` // its writer uses no transactions
	Topics     map[string]topicMark `json:"topics"`
}

// topicMark is a topic as it was when the mark was written.
type topicMark struct {
	ID string `json:"id"`
	// Ends are offsets behind records that the target has had, First those of the first record, by partition.
	Ends  map[int32]int64 `json:"ends"`
	First map[int32]int64 `json:"first"`
}

const markKey = "progress"

// record is the mark as it is sent.
func (m *mark) record(topic string) (*kgo.Record, error) {
	value, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write progress: %w", err)
	}
	return &kgo.Record{Topic: topic, Key: []byte(markKey), Value: value}, nil
}

// sendMark writes the mark, and follows where it stands.
func (w *writer) sendMark(ctx context.Context, m *mark) error {
	r, err := m.record(w.progressTopic)
	if err != nil {
		return err
	}
	var sent receipt
	sent.send(ctx, w.client, r)
	if err := sent.flush(ctx, w.client); err != nil {
		return err
	}
	if r.Offset == w.behind {
		w.behind++
	}
	return nil
}

// markWindow is how many offsets are read at first to find the newest mark: every transaction has a mark and
// the brokers' own sign of its end.
const markWindow = 64

// readMark finds the newest committed mark; ok is false where there is none. Nobody else may have a
// transaction open on the topic, which holds once our transactional id is ours.
func (w *writer) readMark(ctx context.Context) (m mark, ok bool, err error) {
	first, err := listed(w.admin.ListStartOffsets(ctx, w.progressTopic))
	if err != nil {
		return m, false, fmt.Errorf("read progress: %w", err)
	}
	ends, err := listed(w.admin.ListCommittedOffsets(ctx, w.progressTopic))
	if err != nil {
		return m, false, fmt.Errorf("read progress: %w", err)
	}
	start, end := first[w.progressTopic][0].Offset, ends[w.progressTopic][0].Offset
	for size := int64(markWindow); ; size *= 8 {
		from := max(start, end-size)
		err := w.sink.consume(ctx, spans{w.progressTopic: {0: {from, end}}}, func(r *kgo.Record) error {
			if string(r.Key) != markKey {
				return nil
			}
			var next mark
			if err := json.Unmarshal(r.Value, &next); err != nil {
				return fmt.Errorf("read record %d of topic %s: %w", r.Offset, w.progressTopic, err)
			}
			if !ok || next.Generation >= m.Generation { // without transactions an older writer may come late
				m, ok = next, true
			}
			return nil
		})
		if err != nil {
			return m, false, fmt.Errorf("read progress: %w", err)
		}
		if ok || from == start {
			return m, ok, nil
		}
	}
}

func listed(all kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err != nil {
		return nil, err
	}
	return all, all.Error()
}
