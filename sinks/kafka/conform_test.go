package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/sinks/kafka"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// board is a set of topics under test: prefix and the name of a collection.
type board struct {
	t       testing.TB
	addrs   []string
	prefix  string
	options kafka.Options
}

func newCluster(t testing.TB) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func newBoard(t testing.TB, addrs []string, prefix string) *board {
	return &board{t: t, addrs: addrs, prefix: prefix, options: kafka.Options{Access: broker.Access{Brokers: addrs}, Topic: prefix + "{collection}"}}
}

func (b *board) Sink() stream.Sink {
	s, err := kafka.New(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// with calls fn with a client of its own, gone afterwards.
func (b *board) with(fn func(ctx context.Context, client *kgo.Client, admin *kadm.Client) error, more ...kgo.Opt) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.addrs...), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100 * time.Millisecond)}, more...)...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return fn(ctx, client, kadm.NewClient(client))
}

// topics are those of the board that are there, but for the progress.
func (b *board) topics(ctx context.Context, admin *kadm.Client) ([]string, error) {
	all, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range all {
		if strings.HasPrefix(name, b.prefix) && !strings.HasSuffix(name, "-freshet-progress") {
			names = append(names, name)
		}
	}
	return names, nil
}

// records are the committed records of the board's topics.
func (b *board) records() (all []*kgo.Record, err error) {
	err = b.with(func(ctx context.Context, client *kgo.Client, admin *kadm.Client) error {
		names, err := b.topics(ctx, admin)
		if err != nil || len(names) == 0 {
			return err
		}
		ends, err := admin.ListCommittedOffsets(ctx, names...)
		if err != nil {
			return err
		}
		starts, err := admin.ListStartOffsets(ctx, names...)
		if err != nil {
			return err
		}
		left := map[string]int64{}
		ends.Each(func(o kadm.ListedOffset) {
			if s, _ := starts.Lookup(o.Topic, o.Partition); s.Offset < o.Offset {
				left[fmt.Sprint(o.Topic, o.Partition)] = o.Offset
			}
		})
		client.AddConsumeTopics(names...)
		for len(left) > 0 {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			fetches.EachRecord(func(r *kgo.Record) {
				at := fmt.Sprint(r.Topic, r.Partition)
				end, open := left[at]
				if open && r.Offset < end && !r.Attrs.IsControl() {
					all = append(all, r)
				}
				if r.Offset >= end-1 {
					delete(left, at)
				}
			})
		}
		return nil
	}, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	return all, err
}

// Rows folds the topics: the newest record of a key is its row.
func (b *board) Rows(stream.Writer) (map[string]streamtest.Row, error) {
	records, err := b.records()
	if err != nil {
		return nil, err
	}
	rows := map[string]streamtest.Row{}
	for _, r := range records {
		if r.Value == nil {
			delete(rows, string(r.Key))
			continue
		}
		var row struct {
			Key     string `json:"_key"`
			Version uint64 `json:"_version"`
		}
		if err := json.Unmarshal(r.Value, &row); err != nil || row.Key != string(r.Key) {
			return nil, fmt.Errorf("read %s: %w", r.Value, err)
		}
		columns := string(r.Value)
		columns = columns[strings.Index(columns, `,"owner":`)+1:]
		columns = columns[:strings.LastIndex(columns, `,"_version":`)]
		rows[row.Key] = streamtest.Row{JSON: "{" + columns + "}", Version: row.Version}
	}
	return rows, nil
}

// Wipe removes the topics, and leaves the progress.
func (b *board) Wipe() error {
	return b.with(func(ctx context.Context, _ *kgo.Client, admin *kadm.Client) error {
		names, err := b.topics(ctx, admin)
		if err != nil {
			return err
		}
		gone, err := admin.DeleteTopics(ctx, names...)
		if err == nil {
			err = gone.Error()
		}
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
		for { // a real broker tells of it a moment later
			if names, err := b.topics(ctx, admin); err != nil || len(names) == 0 {
				return err
			}
		}
	})
}

func TestTopicsWithoutTransactionsAreASink(t *testing.T) {
	addrs := newCluster(t)
	n := 0
	streamtest.TestSink(t, streamtest.SinkTraits{Shared: true, Foreign: true}, func(t *testing.T) streamtest.SinkHarness {
		n++
		b := newBoard(t, addrs, fmt.Sprintf("plain%d-", n))
		b.options.AtLeastOnce = true
		return b
	})
}

func TestTopicsAreASink(t *testing.T) {
	addrs := newCluster(t)
	n := 0
	streamtest.TestSink(t, streamtest.SinkTraits{Transactions: true, Shared: true, Foreign: true}, func(t *testing.T) streamtest.SinkHarness {
		n++
		return newBoard(t, addrs, fmt.Sprintf("case%d-", n))
	})
}
