package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/kafka"
	"github.com/freshet/freshet/internal/broker"
	"github.com/freshet/freshet/internal/testenv"
	kafkasink "github.com/freshet/freshet/sinks/kafka"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// copier opens the client of a bare copy, which reads nothing until it copies: what it had read before would not be in
// the time of the copy.
func (w *world) copier(from, to string) *kgo.Client {
	w.tb.Helper()
	c := w.client(kgo.ConsumeTopics(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.TransactionalID(to), kgo.DefaultProduceTopic(to))
	c.PauseFetchTopics(from)
	if _, _, err := c.ProducerID(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
	return c
}

// remade is the value of a record, decoded into a map, with one field more.
func remade(r *kgo.Record) ([]byte, error) {
	var row map[string]any
	if err := json.Unmarshal(r.Value, &row); err != nil {
		return nil, err
	}
	row["_key"] = string(r.Key)
	return json.Marshal(row)
}

// asItIs is the value of a record.
func asItIs(r *kgo.Record) ([]byte, error) { return r.Value, nil }

// copies moves all records from a topic to that of a copier in transactions of so many records, with the values that value gives.
func (w *world) copies(c *kgo.Client, from string, size int64, value func(*kgo.Record) ([]byte, error)) {
	w.tb.Helper()
	ctx := w.tb.Context()
	defer c.Close()
	c.ResumeFetchTopics(from)
	for left := w.records; left > 0; {
		if err := c.BeginTransaction(); err != nil {
			w.tb.Fatal(err)
		}
		var sent kgo.FirstErrPromise
		for want := min(size, left); want > 0; {
			fetches := c.PollRecords(ctx, int(want))
			if err := fetches.Err(); err != nil {
				w.tb.Fatal(err)
			}
			for records := fetches.RecordIter(); !records.Done(); want, left = want-1, left-1 {
				r := records.Next()
				text, err := value(r)
				if err != nil {
					w.tb.Fatal(err)
				}
				c.Produce(ctx, &kgo.Record{Key: r.Key, Value: text, Headers: r.Headers, Timestamp: r.Timestamp}, sent.Promise())
			}
		}
		if err := c.Flush(ctx); err != nil {
			w.tb.Fatal(err)
		}
		if err := sent.Err(); err != nil {
			w.tb.Fatal(err)
		}
		if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// sink writes a topic.
func (w *world) sink(topic string) *kafkasink.Sink {
	w.tb.Helper()
	s, err := kafkasink.New(kafkasink.Options{Access: broker.Access{Brokers: []string{w.addr}}, Topic: topic})
	if err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// writer opens the sink of a topic for orders.
func (w *world) writer(from, to string) stream.Writer {
	w.tb.Helper()
	ctx := w.tb.Context()
	of, err := w.source(from).Collections(ctx)
	if err != nil {
		w.tb.Fatal(err)
	}
	schema := of[0].Schema
	writer, err := w.sink(to).Open(ctx, stream.Target{Flow: "pipe", Sink: "to", State: to, MemoryBytes: 64 << 20, Collections: []stream.SinkCollection{{
		Collection: stream.Collection{Name: "orders", Schema: schema}, Key: schema.Columns[:1]}}})
	if err != nil {
		w.tb.Fatal(err)
	}
	return writer
}

// pipe is an inlet whose batches are written by another goroutine, in transactions of a size.
type pipe struct {
	*inlet
	source  *kafka.Source
	writer  stream.Writer
	batches chan *cdc.Batch
	batch   *cdc.Batch // that is being written
	at      int        // its first change that is not written
}

// next gives the next change, valid until the one after it; ok is false at the end.
func (p *pipe) next() (c cdc.Change, ok bool) {
	for p.batch == nil || p.at == p.batch.Len() {
		if p.batch != nil {
			p.release(p.batch)
		}
		if p.batch, ok = <-p.batches; !ok {
			return c, false
		}
		p.at = 0
	}
	p.at++
	return p.batch.At(p.at - 1), true
}

// write writes all that comes.
func (p *pipe) write(ctx context.Context, size int) error {
	generation := p.writer.Progress().Generation
	for epoch := uint64(1); ; epoch++ {
		first, ok := p.next()
		if !ok {
			return nil
		}
		effects := func(yield func(stream.Effect, error) bool) {
			n := 1
			for c, ok := first, true; ok; n++ {
				e := stream.Effect{Key: c.Key, Row: c.After, Version: generation<<40 | epoch, Source: p.source.Describe(c.Position), Time: c.Time}
				if !yield(e, nil) || n == size {
					return
				}
				c, ok = p.next()
			}
		}
		if err := p.writer.Apply(ctx, &stream.Txn{Generation: generation, First: epoch, Last: epoch, Count: size, Effects: effects}); err != nil {
			return err
		}
	}
}

// pipes moves all records of a topic by the source and an open sink, with nothing between them but two goroutines, as a
// flow has.
func (w *world) pipes(from string, writer stream.Writer, size int64) {
	w.tb.Helper()
	p := &pipe{source: w.source(from), writer: writer, batches: make(chan *cdc.Batch, 2)}
	p.inlet = newInlet(func(ctx context.Context, b *cdc.Batch) error {
		select {
		case p.batches <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	work, ctx := errgroup.WithContext(w.tb.Context())
	work.Go(func() error { return p.write(ctx, int(size)) })
	work.Go(func() error {
		defer close(p.batches)
		return p.source.Run(ctx, cdc.Start{Once: true}, p)
	})
	if err := errors.Join(work.Wait(), writer.Close()); err != nil {
		w.tb.Fatal(err)
	}
	if n := p.changes.Load(); n != w.records {
		w.tb.Fatalf("%d changes of %d", n, w.records)
	}
}

// flows moves all records from a topic to another by a flow, with its state on disk.
func (w *world) flows(from string, to stream.Sink, dir string) {
	w.tb.Helper()
	ctx := w.tb.Context()
	f := stream.New("copy")
	f.Limits.MemoryBytes = 256 << 20
	f.AddSource("orders", w.source(from))
	f.AddSink("to", []string{"orders"}, to, stream.SinkOptions{})
	plan, err := f.Plan(ctx)
	if err != nil {
		w.tb.Fatal(err)
	}
	db, err := statestore.Open(dir, statestore.DBOptions{MemoryBytes: engine.StoreBytes(plan.Limits)})
	if err != nil {
		w.tb.Fatal(err)
	}
	e, err := engine.Open(ctx, plan, db, engine.Options{Once: true})
	if err == nil {
		if err = e.Run(ctx); err == nil {
			err = e.Close()
		}
	}
	if err != nil {
		w.tb.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.tb.Fatal(err)
	}
}

// transactions is how many a sink has committed: each has written one mark, and the first only took the target over.
func (w *world) transactions(topic string) int64 {
	w.tb.Helper()
	ends, err := w.admin.ListEndOffsets(w.tb.Context(), topic+"-freshet-progress")
	if err != nil {
		w.tb.Fatal(err)
	}
	end, _ := ends.Lookup(topic+"-freshet-progress", 0)
	return max(1, end.Offset/2-1)
}

// BenchmarkCopy moves records from topic to topic, in transactions of the same size: by a loop over the client alone that
// copies bytes, by one that decodes and encodes rows as ours do, and by the source and the sink with nothing between them.
func BenchmarkCopy(b *testing.B) {
	for _, size := range []int64{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprint(size, " a transaction"), func(b *testing.B) {
			w := newWorld(b, testenv.Kafka(b).Addr())
			from := w.orders(min(200_000, 50*size))
			var bare, maps, ours spent
			for b.Loop() {
				for range rounds {
					c, m, to := w.copier(from, w.topic("bare")), w.copier(from, w.topic("maps")), w.writer(from, w.topic("ours"))
					w.round(&bare, func() { w.copies(c, from, size, asItIs) })
					w.round(&maps, func() { w.copies(m, from, size, remade) })
					w.round(&ours, func() { w.pipes(from, to, size) })
				}
			}
			report(b, ours, bare)
			b.ReportMetric(ours.rate()/maps.rate(), "of-map-wall")
			b.ReportMetric(ours.each()/maps.each(), "of-map-CPU")
		})
	}
}

// BenchmarkFlow moves records by a whole flow, which keeps its state on disk and says which transactions it makes; and by
// the loop, with transactions of that size.
func BenchmarkFlow(b *testing.B) {
	w := newWorld(b, testenv.Kafka(b).Addr())
	from := w.orders(100_000)
	var bare, ours spent
	var transactions, flows int64
	for b.Loop() {
		flows++
		dir := filepath.Join(b.TempDir(), "state")
		to := w.topic("ours")
		w.round(&ours, func() { w.flows(from, w.sink(to), dir) })
		n := w.transactions(to)
		transactions += n
		c := w.copier(from, w.topic("bare"))
		w.round(&bare, func() { w.copies(c, from, (w.records+n-1)/n, asItIs) })
	}
	report(b, ours, bare)
	b.ReportMetric(float64(flows*w.records)/float64(transactions), "records/txn")
}

// report gives the figures of ours, and its ratios to the bare loop's.
func report(b *testing.B, ours, bare spent) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.rate(), "records/s")
	b.ReportMetric(ours.each(), "µsCPU/record")
	b.ReportMetric(ours.rate()/bare.rate(), "of-bare-wall")
	b.ReportMetric(ours.each()/bare.each(), "of-bare-CPU")
}
