package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/kafka"
	"github.com/freshet/freshet/internal/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// world is a cluster in this process with a topic t.
type world struct {
	t       *testing.T
	cluster *kfake.Cluster
	client  *kgo.Client
	admin   *kadm.Client
	options kafka.Options
	made    int
}

func newWorld(t *testing.T, partitions int32, more ...kfake.Opt) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, "t")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := newWorldAt(t, cluster.ListenAddrs()...)
	w.cluster = cluster
	return w
}

// newWorldAt is a world of brokers that run already.
func newWorldAt(t *testing.T, addrs ...string) *world {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &world{t: t, client: client, admin: kadm.NewClient(client), options: kafka.Options{
		Access: broker.Access{Brokers: addrs}, Topic: "t", Schema: []cdc.Column{{Name: "value", Type: cdc.Type{Kind: cdc.String}}}}}
}

// another is a world of the same cluster with a topic of its own.
func (w *world) another(partitions int32) *world {
	w.t.Helper()
	w.made++
	other := *w
	other.options.Topic = fmt.Sprintf("t%d", w.made)
	if _, err := w.admin.CreateTopic(w.t.Context(), partitions, 1, nil, other.options.Topic); err != nil {
		w.t.Fatal(err)
	}
	return &other
}

func (w *world) Source() (cdctest.Source, error) { return kafka.New(w.options) }

func (w *world) produce(records ...*kgo.Record) error {
	for _, r := range records {
		if r.Topic == "" {
			r.Topic = w.options.Topic
		}
	}
	return w.client.ProduceSync(context.Background(), records...).FirstErr()
}

func (w *world) Write(key, value string) error {
	body, err := json.Marshal(map[string]string{"value": value})
	if err != nil {
		return err
	}
	return w.produce(&kgo.Record{Key: []byte(key), Value: body})
}

func (w *world) Delete(key string) error { return w.produce(&kgo.Record{Key: []byte(key)}) }

func (w *world) Read(c cdc.Change) (key, value string, err error) {
	if c.Op == cdc.Reject {
		return "", "", fmt.Errorf("%s: %s", c.Cause.Code, c.Cause.Message)
	}
	if c.After != nil && c.After.Len() == 2 {
		value = c.After.At(1).Text()
	}
	return c.Key.Text(), value, nil
}

// guest writes through a client of its own each time: the suite counts goroutines, and kfake starts one for
// every request of a connection that stays open.
type guest struct{ *world }

func (g guest) with(write func(w *world) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(g.options.Brokers...), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	w := *g.world
	w.client = client
	return write(&w)
}

func (g guest) Write(key, value string) error {
	return g.with(func(w *world) error { return w.Write(key, value) })
}

func (g guest) Delete(key string) error {
	return g.with(func(w *world) error { return w.Delete(key) })
}

func TestSourceConforms(t *testing.T) {
	conform(t, newWorld(t, 1))
}

// conform holds the source against the suite, each check with a topic of its own.
func conform(t *testing.T, w *world) {
	t.Helper()
	var worlds []*world
	for range cdctest.Checks() {
		worlds = append(worlds, w.another(4))
	}
	w.client.Close()
	cdctest.TestSource(t, func(*testing.T) cdctest.Harness {
		next := worlds[0]
		worlds = worlds[1:]
		return guest{next}
	})
}
