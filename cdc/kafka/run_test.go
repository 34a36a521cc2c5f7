package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/kafka"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// source is a declared source.
func (w *world) source() *kafka.Source {
	w.t.Helper()
	s, err := kafka.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// once reads what stands in the topic into an inlet.
func (w *world) once(in *cdctest.Inlet, adapt ...func(*cdc.Start)) error {
	w.t.Helper()
	start := in.Start()
	start.Once = true
	for _, fn := range adapt {
		fn(&start)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	err := w.source().Run(ctx, start, in)
	if ctx.Err() != nil {
		w.t.Fatal("the run does not end")
	}
	if err := in.Verify(); err != nil {
		w.t.Error(err)
	}
	return err
}

// live runs a source until the test is over.
func (w *world) live(in *cdctest.Inlet) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := w.source().Run(ctx, in.Start(), in); err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(func() {
		cancel()
		work.Wait()
	})
}

// values are the rows of an inlet by key.
func (w *world) values(in *cdctest.Inlet) map[string]string {
	rows := map[string]string{}
	for _, p := range in.Puts() {
		switch p.Op {
		case cdc.Update:
			rows[p.Key.Text()] = p.After.At(1).Text()
		default:
			delete(rows, p.Key.Text())
		}
	}
	return rows
}

// holds waits until the rows are these.
func (w *world) holds(in *cdctest.Inlet, want map[string]string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	if err := in.Wait(ctx, "rows", func() bool { return true }); err != nil {
		w.t.Fatal(err)
	}
	for {
		n := len(in.Puts()) // before the rows: what comes between the two is seen now or waited for
		if maps.Equal(w.values(in), want) {
			return
		}
		if err := in.Wait(ctx, "more changes", func() bool { return len(in.Puts()) != n }); err != nil {
			w.t.Fatalf("rows differ (-want +got): %s", cmp.Diff(want, w.values(in)))
		}
	}
}

func (w *world) must(faults ...error) {
	w.t.Helper()
	if err := errors.Join(faults...); err != nil {
		w.t.Fatal(err)
	}
}

func TestRecordsThatCannotBeReadAreToldWithTheirBytes(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.Write("k", "before"), w.produce(
		&kgo.Record{Key: []byte("k"), Value: []byte("{not json"), Timestamp: time.UnixMilli(1700000000123), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("a")}, {Key: "trace", Value: []byte("b")}, {Key: "none"}}},
		&kgo.Record{Value: []byte(`{"value":"x"}`)}, &kgo.Record{Value: []byte(`{"value":"y"}`)}), w.Write("last", "x"))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	puts := in.Puts()
	if len(puts) != 5 {
		t.Fatalf("%d changes, want 5", len(puts))
	}
	bad := puts[1]
	if bad.Op != cdc.Reject || bad.Key.Text() != "k" || bad.Cause.Code != "decode_error" || bad.Cause.Keyless || !strings.HasPrefix(bad.Cause.Message, "t/0/1: ") {
		t.Errorf("the poison is told as %+v, %+v", bad.Change, bad.Cause)
	}
	var input any
	w.must(json.Unmarshal(bad.Cause.Input, &input))
	want := map[string]any{"topic": "t", "partition": 0.0, "offset": 1.0, "timestamp": 1700000000123.0, "key": "aw==", "value": "e25vdCBqc29u",
		"headers": []any{map[string]any{"key": "trace", "value": "YQ=="}, map[string]any{"key": "trace", "value": "Yg=="}, map[string]any{"key": "none", "value": nil}}}
	if diff := cmp.Diff(want, input); diff != "" {
		t.Errorf("its input differs (-want +got):\n%s", diff)
	}
	for _, p := range puts[2:4] {
		if p.Op != cdc.Reject || p.Cause.Code != "null_key" || !p.Cause.Keyless || p.Cause.Place != "" {
			t.Errorf("a record without a key is told as %+v, %+v", p.Change, p.Cause)
		}
	}
	if string(puts[2].Key) == string(puts[3].Key) {
		t.Error("two records without a key are one")
	}
	if got := w.source().Describe(bad.Change.Position); got != "t/0/1" {
		t.Errorf("its place is %q", got)
	}
}

// A record whose key is there and cannot be read is called by its place: nobody takes it for one without a key.
func TestARecordWhoseKeyCannotBeReadIsCalledByItsPlace(t *testing.T) {
	w := newWorld(t, 1)
	w.options.Format, w.options.Key = "debezium", []string{"id"}
	w.options.Schema = []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}}
	w.must(w.produce(&kgo.Record{Key: []byte(`{"id":1}`), Value: []byte(`{"op":"c","after":{"id":1}}`)}, &kgo.Record{Key: []byte("{half"), Value: []byte(`{"op":"c","after":{"id":2}}`)}))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	puts := in.Puts()
	if len(puts) != 2 {
		t.Fatalf("%d changes, want 2", len(puts))
	}
	if p := puts[1]; p.Op != cdc.Reject || p.Cause.Code != "decode_error" || !p.Cause.Keyless || p.Cause.Place != "t/0/1" {
		t.Errorf("it is told as %+v, %+v", p.Change, p.Cause)
	}
}

// I10: what is lost stops the run, with the command that repairs it, or asks to be read again.
func TestALossStopsTheRun(t *testing.T) {
	spoil := map[string]func(w *world) error{
		"the topic is made again": func(w *world) error {
			return errors.Join(w.cluster.DeleteTopic(w.options.Topic), w.cluster.CreateTopic(w.options.Topic, 1, nil),
				guest{w}.with(func(w *world) error { return w.fill(200) }))
		},
		"records that were not read are deleted": func(w *world) error {
			return errors.Join(w.fill(50), w.cluster.DeleteRecords(w.options.Topic, 0, 120))
		},
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.must(w.fill(100))
			in := cdctest.NewInlet()
			w.must(w.once(in))
			w.must(spoil(w))
			next := in.Crash()
			err := w.once(next)
			var fault *cdc.SourceError
			if !errors.Is(err, cdc.ErrGap) || !errors.As(err, &fault) || fault.Code != "data_guard" || !strings.Contains(fault.Hint, "`freshet reset <flow> --source NAME --yes`") || !strings.Contains(err.Error(), " t ") {
				t.Errorf("the run ends with %v (%+v), want a gap of t with a command", err, fault)
			}
			if n := len(next.Puts()); n != 0 {
				t.Errorf("%d changes are put before", n)
			}
			w.options.OnGap = "reread"
			if err := w.once(next); !errors.Is(err, cdc.ErrReread) || errors.Is(err, cdc.ErrGap) {
				t.Errorf("with on_gap: reread the run ends with %v", err)
			}
			again := in.Crash()
			w.must(w.once(again, func(s *cdc.Start) { s.Rescan = true }))
			for _, p := range again.Puts() {
				if !p.Snapshot {
					t.Fatalf("%s is read again as if it were new", p.Key.Text())
				}
			}
			w.must(w.once(again)) // and goes on from there
		})
	}
}

// fill writes n rows.
func (w *world) fill(n int) error {
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, `{"value":"%d"}`, i)})
	}
	return w.produce(records...)
}

func TestRecordsThatWereReadMayGo(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.fill(100))
	in := cdctest.NewInlet()
	w.must(w.once(in), w.cluster.DeleteRecords("t", 0, 60), w.Write("new", "x"))
	next := in.Crash()
	w.must(w.once(next))
	if diff := cmp.Diff(map[string]string{"new": "x"}, w.values(next)); diff != "" {
		t.Errorf("what came since differs (-want +got):\n%s", diff)
	}
	w.must(w.cluster.DeleteRecords("t", 0, 101))
	w.must(w.once(next.Crash()))
}

func TestTransactionsAreReadOnceTheyAreCommitted(t *testing.T) {
	w := newWorld(t, 2)
	txn := func(end kgo.TransactionEndTry, records ...*kgo.Record) {
		t.Helper()
		client, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
		w.must(err)
		defer client.Close()
		w.must(client.BeginTransaction(), client.ProduceSync(t.Context(), records...).FirstErr(), client.EndTransaction(t.Context(), end))
	}
	row := func(key, value string) *kgo.Record {
		return &kgo.Record{Key: []byte(key), Value: fmt.Appendf(nil, `{"value":%q}`, value)}
	}
	w.must(w.Write("a", "1"), w.Write("b", "1"))
	txn(kgo.TryCommit, row("a", "2"), row("b", "2"))
	txn(kgo.TryAbort, row("a", "9"), row("b", "9"), row("ghost", "9"))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	if diff := cmp.Diff(map[string]string{"a": "2", "b": "2"}, w.values(in)); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	ends, err := w.admin.ListCommittedOffsets(t.Context(), "t")
	w.must(err)
	var want []string
	for _, p := range []int32{0, 1} {
		o, _ := ends.Lookup("t", p)
		want = append(want, fmt.Sprintf("%d:%d", p, o.Offset))
	}
	if got := w.source().Describe(in.Last()); got != strings.Join(want, ",") {
		t.Errorf("the position is %s, the topic ends at %v", got, want)
	}
}

func TestLatestBeginsAtTheEndOnce(t *testing.T) {
	w := newWorld(t, 2)
	w.options.Start = "latest"
	w.must(w.fill(20))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	if got := w.values(in); len(got) > 0 {
		t.Errorf("what stood there is read: %v", got)
	}
	w.must(w.Write("a", "1"), w.Write("b", "2"))
	next := in.Crash()
	w.must(w.once(next))
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, w.values(next)); diff != "" {
		t.Errorf("what came since differs (-want +got):\n%s", diff)
	}
}

func TestPartitionsAndTopicsThatComeAreReadFromTheirStart(t *testing.T) {
	w := newWorld(t, 1)
	w.options.Topic, w.options.Topics, w.options.Start = "", "orders-.*", "latest"
	w.must(w.cluster.CreateTopic("orders-a", 1, nil), w.cluster.CreateTopic("other", 1, nil))
	row := func(topic string, partition int32, key string) *kgo.Record {
		return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(`{"value":"x"}`)}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.must(err)
	defer client.Close()
	w.must(client.ProduceSync(t.Context(), row("orders-a", 0, "old"), row("other", 0, "other")).FirstErr())
	in := cdctest.NewInlet()
	w.live(in)
	w.must(in.Wait(t.Context(), "the start", func() bool { return in.Caught() > 0 }))
	w.must(client.ProduceSync(t.Context(), row("orders-a", 0, "new")).FirstErr())
	w.holds(in, map[string]string{"new": "x"})
	_, err = w.admin.CreatePartitions(t.Context(), 1, "orders-a")
	w.must(err, w.cluster.CreateTopic("orders-b", 2, nil))
	late, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.must(err)
	defer late.Close()
	w.must(late.ProduceSync(t.Context(), row("orders-a", 1, "grown"), row("orders-b", 1, "came")).FirstErr())
	w.holds(in, map[string]string{"new": "x", "grown": "x", "came": "x"})
	if got := w.source().Describe(in.Last()); got != "orders-a/0:2,orders-a/1:1,orders-b/0:0,orders-b/1:1" {
		t.Errorf("the position is %s", got)
	}
}

// Compaction may take the last records of a partition; no fetch tells of it, and the run ends all the same.
func TestAnEndThatIsCompactedAwayIsPassed(t *testing.T) {
	w := newWorld(t, 1)
	w.must(w.cluster.CreateTopic("c", 1, map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "0", "min.cleanable.dirty.ratio": "0"}))
	w.options.Topic = "c"
	w.must(w.Write("a", "1"), w.Write("b", "1"), w.Delete("b"))
	in := cdctest.NewInlet()
	in.Defer()
	w.must(w.once(in))
	if diff := cmp.Diff(map[string]string{"a": "1"}, w.values(in)); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	w.cluster.Compact()
	w.cluster.Compact()
	start, end := w.cluster.PartitionInfo("c", 0).LogStartOffset, w.cluster.PartitionInfo("c", 0).HighWatermark
	again := cdctest.NewInlet()
	w.must(w.once(again))
	if got := w.source().Describe(again.Last()); got != fmt.Sprintf("0:%d", end) {
		t.Errorf("the position is %s, the topic goes from %d to %d", got, start, end)
	}
}

func TestTheGroupMirrorsWhatIsDurable(t *testing.T) {
	w := newWorld(t, 2)
	w.options.Group = "freshet_flow"
	w.must(w.fill(50))
	in := cdctest.NewInlet()
	w.must(w.once(in))
	w.must(w.source().Confirm(t.Context(), in.Position()))
	held, err := w.admin.FetchOffsets(t.Context(), "freshet_flow")
	w.must(err)
	c := strings.Split(w.source().Describe(in.Position()), ",")
	for p, want := range c {
		o, ok := held.Lookup("t", int32(p))
		if got := fmt.Sprintf("%d:%d", p, o.At); !ok || got != want {
			t.Errorf("the group holds %s, want %s", got, want)
		}
	}
	_, err = w.admin.DeleteGroup(t.Context(), "freshet_flow")
	w.must(err)
	w.must(w.once(in.Crash())) // nothing is read from it
}
