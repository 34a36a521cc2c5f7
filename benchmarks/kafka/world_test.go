package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/kafka"
	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/internal/machine"
)

// partitions is how many the topics of this package have.
const partitions = 8

// world is a broker with a topic of orders, each under a key of its own.
type world struct {
	tb      testing.TB
	addr    string
	admin   *kadm.Client
	records int64
	topics  int
}

func newWorld(tb testing.TB, addr string) *world {
	tb.Helper()
	w := &world{tb: tb, addr: addr}
	w.admin = kadm.NewClient(w.client())
	return w
}

// client opens a client that ends with the test.
func (w *world) client(more ...kgo.Opt) *kgo.Client {
	w.tb.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.addr), kgo.DisableClientMetrics()}, more...)...)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(c.Close)
	return c
}

// topic makes a topic of a name that was not there.
func (w *world) topic(name string) string {
	w.tb.Helper()
	w.topics++
	name = fmt.Sprintf("%s-%d-%d", name, time.Now().UnixNano(), w.topics)
	if _, err := w.admin.CreateTopic(w.tb.Context(), partitions, 1, nil, name); err != nil {
		w.tb.Fatal(err)
	}
	return name
}

// order is a value of some 200 bytes, as most topics of JSON have.
func order(i int64) []byte {
	return fmt.Appendf(nil, `{"id":%d,"customer":"customer %d","total":%d.25,"paid":%v,"note":"a note of some length, with words","state":"shipped","city":"Hamburg","zip":"20095","rest":"%040d"}`,
		i, i%4711, i%1000, i%2 == 0, i)
}

// orderFields are the fields of an order.
func orderFields() []cdc.Column {
	text := cdc.Type{Kind: cdc.String}
	return []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "customer", Type: text}, {Name: "total", Type: cdc.Type{Kind: cdc.Float64}},
		{Name: "paid", Type: cdc.Type{Kind: cdc.Bool}}, {Name: "note", Type: text}, {Name: "state", Type: text}, {Name: "city", Type: text}, {Name: "zip", Type: text}, {Name: "rest", Type: text}}
}

// orders makes a topic with so many orders.
func (w *world) orders(n int64) string {
	w.tb.Helper()
	topic := w.topic("orders")
	c := w.client(kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(5*time.Millisecond))
	ctx, fail := context.WithCancelCause(w.tb.Context())
	defer fail(nil)
	for i := range n {
		c.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "k%08d", i), Value: order(i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				fail(err)
			}
		})
	}
	if err := c.Flush(ctx); err != nil || context.Cause(ctx) != nil {
		w.tb.Fatal(err, context.Cause(ctx))
	}
	w.records = n
	return topic
}

// source reads a topic of orders.
func (w *world) source(topic string) *kafka.Source {
	w.tb.Helper()
	s, err := kafka.New(kafka.Options{Access: broker.Access{Brokers: []string{w.addr}}, Topic: topic, Schema: orderFields()})
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// spent is what reading or copying so many records has cost.
type spent struct {
	records   int64
	wall, cpu time.Duration
}

func (s *spent) rate() float64 { return float64(s.records) / s.wall.Seconds() }
func (s *spent) each() float64 { return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.records) }

// rounds is how often each side of a comparison is measured, in turns. The best of them counts: what else a machine does
// takes time away and gives none.
const rounds = 5

// round measures what do does with all records.
func (w *world) round(s *spent, do func()) {
	was, begun := machine.CPUTime(), time.Now()
	do()
	wall, took := time.Since(begun), machine.CPUTime()-was
	if s.records == 0 {
		*s = spent{w.records, wall, took}
	}
	s.wall, s.cpu = min(s.wall, wall), min(s.cpu, took)
}
