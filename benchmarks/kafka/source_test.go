package kafka_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/testenv"
)

// inlet hands batches to put, which releases them.
type inlet struct {
	put     func(context.Context, *cdc.Batch) error
	changes atomic.Int64
	spare   chan *cdc.Batch
}

func newInlet(put func(context.Context, *cdc.Batch) error) *inlet {
	return &inlet{put: put, spare: make(chan *cdc.Batch, 4)}
}

func (n *inlet) Put(ctx context.Context, b *cdc.Batch) error {
	n.changes.Add(int64(b.Len()))
	return n.put(ctx, b)
}

// release takes a batch back, to be filled again.
func (n *inlet) release(b *cdc.Batch) {
	b.Reset()
	select {
	case n.spare <- b:
	default:
	}
}

func (n *inlet) Batch() *cdc.Batch {
	select {
	case b := <-n.spare:
		return b
	default:
		return new(cdc.Batch)
	}
}

func (n *inlet) CaughtUp(context.Context) error { return nil }
func (n *inlet) Problem(error)                  {}

// poll consumes a topic, as many records as there are, and has look see each.
func (w *world) poll(topic string, look func(*kgo.Record) error) {
	w.tb.Helper()
	c := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer c.Close()
	for left := w.records; left > 0; {
		fetches := c.PollFetches(w.tb.Context())
		if err := fetches.Err(); err != nil {
			w.tb.Fatal(err)
		}
		for records := fetches.RecordIter(); !records.Done(); left-- {
			if err := look(records.Next()); err != nil {
				w.tb.Fatal(err)
			}
		}
	}
}

// drain reads a topic by the source, into nothing.
func (w *world) drain(topic string) {
	w.tb.Helper()
	var in *inlet
	in = newInlet(func(_ context.Context, b *cdc.Batch) error {
		in.release(b)
		return nil
	})
	if err := w.source(topic).Run(w.tb.Context(), cdc.Start{Once: true}, in); err != nil {
		w.tb.Fatal(err)
	}
	if n := in.changes.Load(); n != w.records {
		w.tb.Fatalf("%d changes of %d", n, w.records)
	}
}

// BenchmarkSource reads the same topic by loops over the client alone, which look at nothing, decode into maps, or decode
// into a struct that was written for these records; and by the source, which decodes into rows that the engine stores as
// they are.
func BenchmarkSource(b *testing.B) {
	w := newWorld(b, testenv.Kafka(b).Addr())
	topic := w.orders(200_000)
	var bare, maps, structs, ours spent
	for b.Loop() {
		for range rounds {
			w.round(&bare, func() { w.poll(topic, func(*kgo.Record) error { return nil }) })
			w.round(&maps, func() {
				w.poll(topic, func(r *kgo.Record) error {
					var row map[string]any
					return json.Unmarshal(r.Value, &row)
				})
			})
			w.round(&structs, func() {
				w.poll(topic, func(r *kgo.Record) error {
					var row struct {
						ID                                     int64
						Total                                  float64
						Paid                                   bool
						Customer, Note, State, City, Zip, Rest string
					}
					return json.Unmarshal(r.Value, &row)
				})
			})
			w.round(&ours, func() { w.drain(topic) })
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.rate(), "records/s")
	b.ReportMetric(ours.each(), "µsCPU/record")
	for _, other := range []struct {
		name string
		spent
	}{{"poll", bare}, {"map", maps}, {"struct", structs}} {
		b.ReportMetric(ours.rate()/other.rate(), "of-"+other.name+"-wall")
		b.ReportMetric(ours.each()/other.each(), "of-"+other.name+"-CPU")
	}
	b.Logf("records/s: poll %.0f, map %.0f, struct %.0f, ours %.0f (%v)", bare.rate(), maps.rate(), structs.rate(), ours.rate(), ours.wall.Round(time.Millisecond))
}
