package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// faulty is a board whose cluster is at hand.
func faulty(t *testing.T, more ...kfake.Opt) (*board, *kfake.Cluster) {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(1)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := newBoard(t, cluster.ListenAddrs(), "")
	b.options.Topic = "out"
	return b, cluster
}

// opened opens the board as a state that knows these epochs and generations.
func (b *board) opened(target stream.Target) stream.Writer {
	b.t.Helper()
	column := cdc.Column{Name: "owner", Type: cdc.Type{Kind: cdc.String}}
	target.Flow, target.State = "flow", "s"
	target.Collections = []stream.SinkCollection{{Key: []cdc.Column{column},
		Collection: stream.Collection{Name: "c", Schema: &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column}}}}}
	w, err := b.Sink().Open(b.t.Context(), target)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := w.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return w
}

// txn is an epoch that puts rows, or removes those whose name begins with a dash.
func txn(w stream.Writer, epoch uint64, owners ...string) *stream.Txn {
	generation := w.Progress().Generation
	return &stream.Txn{Generation: generation, First: epoch, Last: epoch, Count: len(owners), Effects: func(yield func(stream.Effect, error) bool) {
		for _, owner := range owners {
			var b cdc.RowBuilder
			b.Text(owner)
			e := stream.Effect{Key: cdc.StringKey(strings.TrimPrefix(owner, "-")), Row: b.Build(), Version: generation<<40 | epoch, Source: fmt.Sprintf("in/0/%d", epoch)}
			if strings.HasPrefix(owner, "-") {
				e.Delete, e.Row = true, nil
			}
			if !yield(e, nil) {
				return
			}
		}
	}}
}

// wrote applies a range as the engine does: an ordinary fault is tried again.
func wrote(ctx context.Context, w stream.Writer, t *stream.Txn) (err error) {
	var reject *stream.RejectError
	for range 3 {
		err = w.Apply(ctx, t)
		if err == nil || errors.Is(err, stream.ErrFenced) || errors.Is(err, stream.ErrLost) || errors.As(err, &reject) {
			break
		}
	}
	return err
}

// keys are those of the committed records, in order.
func (b *board) keys() string {
	b.t.Helper()
	records, err := b.records()
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, r := range records {
		all = append(all, string(r.Key))
	}
	return strings.Join(all, " ")
}

// I3: an answer that is lost at the commit is learnt from the mark; nothing comes twice and nothing is missing.
func TestALostAnswerAtTheCommitIsLearnt(t *testing.T) {
	for name, applied := range map[string]bool{"the commit has happened": true, "the commit has not happened": false} {
		t.Run(name, func(t *testing.T) {
			b, cluster := faulty(t)
			w := b.opened(stream.Target{})
			if err := wrote(t.Context(), w, txn(w, 1, "a")); err != nil {
				t.Fatal(err)
			}
			cut := 0
			cluster.ControlKey(int16(kmsg.EndTxn), func(r kmsg.Request) (kmsg.Response, error, bool) {
				if cut++; cut > 1 && applied || cut > 2 {
					return nil, nil, false
				}
				cluster.KeepControl()
				if applied {
					return nil, nil, false
				}
				return nil, errors.New("the connection is cut"), true
			})
			if applied {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.RequestTimedOut})
			}
			if err := wrote(t.Context(), w, txn(w, 2, "b")); err != nil {
				t.Fatal(err)
			}
			if err := wrote(t.Context(), w, txn(w, 3, "-a")); err != nil {
				t.Fatal(err)
			}
			if got := b.keys(); got != "a b a" {
				t.Errorf("the topic has the keys %s, want a b a", got)
			}
		})
	}
}

func TestARecordThatIsTooLargeIsNamed(t *testing.T) {
	b, _ := faulty(t)
	w := b.opened(stream.Target{})
	large := strings.Repeat("x", 2<<20)
	err := wrote(t.Context(), w, txn(w, 1, "a", large, "b"))
	var reject *stream.RejectError
	if !errors.As(err, &reject) || reject.Code != "too_large" || string(reject.Key) != string(cdc.StringKey(large)) {
		t.Fatalf("it ends with %.200v", err)
	}
	apart := txn(w, 1, "a", "b")
	apart.First, apart.Last = 0, 0
	if err := wrote(t.Context(), w, apart); err != nil {
		t.Fatal(err)
	}
	if got := b.keys(); got != "" {
		t.Errorf("rows that are tried apart are seen: %s", got)
	}
	if err := wrote(t.Context(), w, txn(w, 1, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if got := b.keys(); got != "a b" {
		t.Errorf("the topic has the keys %s, want a b", got)
	}
}

// I10: a topic that is made again or cut while it is open is lost, and opened anew it is wiped.
func TestATopicThatIsTakenAwayIsLost(t *testing.T) {
	for name, spoil := range map[string]func(c *kfake.Cluster) error{
		"it is deleted":    func(c *kfake.Cluster) error { return c.DeleteTopic("out") },
		"it is made again": func(c *kfake.Cluster) error { return errors.Join(c.DeleteTopic("out"), c.CreateTopic("out", 1, nil)) },
	} {
		t.Run(name, func(t *testing.T) { takeAway(t, spoil, false) })
		t.Run(name+", without transactions", func(t *testing.T) { takeAway(t, spoil, true) })
	}
	t.Run("its records are deleted while it is closed", func(t *testing.T) {
		b, cluster := faulty(t)
		w := b.opened(stream.Target{})
		if err := errors.Join(wrote(t.Context(), w, txn(w, 1, "a")), w.Close(), cluster.DeleteRecords("out", 0, 1)); err != nil {
			t.Fatal(err)
		}
		if w = b.opened(stream.Target{Generation: w.Progress().Generation, Epoch: 1}); !w.Progress().Wiped {
			t.Errorf("its progress is %+v, want it wiped", w.Progress())
		}
	})
}

// takeAway spoils the topic of an opened sink, and makes sure that it notices.
func takeAway(t *testing.T, spoil func(c *kfake.Cluster) error, plain bool) {
	t.Helper()
	b, cluster := faulty(t)
	b.options.AtLeastOnce = plain
	w := b.opened(stream.Target{})
	if err := wrote(t.Context(), w, txn(w, 1, "a")); err != nil {
		t.Fatal(err)
	}
	if err := spoil(cluster); err != nil {
		t.Fatal(err)
	}
	if err := wrote(t.Context(), w, txn(w, 2, "b")); !errors.Is(err, stream.ErrLost) {
		t.Fatalf("it ends with %v, want %v", err, stream.ErrLost)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = b.opened(stream.Target{Generation: w.Progress().Generation, Epoch: 1})
	if !w.Progress().Wiped {
		t.Errorf("opened anew its progress is %+v, want it wiped", w.Progress())
	}
}

// A record says where its row comes from; deletes are null values, or values that say so.
func TestRecordsCarryTheirLineage(t *testing.T) {
	for _, envelopes := range []bool{false, true} {
		b, _ := faulty(t)
		b.options.Envelopes = envelopes
		w := b.opened(stream.Target{})
		version := w.Progress().Generation<<40 | 1
		if err := wrote(t.Context(), w, txn(w, 1, "ä/ö", "-gone")); err != nil {
			t.Fatal(err)
		}
		records, err := b.records()
		if err != nil || len(records) != 2 {
			t.Fatalf("%d records: %v", len(records), err)
		}
		for _, r := range records {
			heads := fmt.Sprintf("%s=%s %s=%s %s=%s", r.Headers[0].Key, r.Headers[0].Value, r.Headers[1].Key, r.Headers[1].Value, r.Headers[2].Key, r.Headers[2].Value)
			if want := fmt.Sprintf("freshet.flow=flow freshet.version=%d freshet.source=in/0/1", version); heads != want {
				t.Errorf("the headers are %s, want %s", heads, want)
			}
		}
		upsert, remove := `{"_key":"ä/ö","owner":"ä/ö","_version":%d,"_source":"in/0/1"}`, ""
		if envelopes {
			upsert = `{"_op":"upsert",` + upsert[1:]
			remove = fmt.Sprintf(`{"_op":"delete","_key":"gone","_version":%d,"_source":"in/0/1"}`, version)
		}
		if got := string(records[0].Value); got != fmt.Sprintf(upsert, version) {
			t.Errorf("an upsert is %s", got)
		}
		if got := string(records[1].Value); got != remove || (records[1].Value == nil) == envelopes {
			t.Errorf("a delete is %q, want %q", got, remove)
		}
		if envelopes {
			var value map[string]any
			if err := json.Unmarshal(records[1].Value, &value); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTopicsAreNamedAfterCollections(t *testing.T) {
	for _, c := range []struct {
		topic       string
		collections []string
		want        string // of the storage; empty: a problem
	}{
		{"facts", []string{"a"}, "kafka facts false"},
		{"", []string{"a", "b"}, "kafka a,b false"},
		{"x-{collection}", []string{"a", "b"}, "kafka x-a,x-b false"},
		{"facts", []string{"a", "b"}, ""},
		{"no spaces", []string{"a"}, ""},
	} {
		b := newBoard(t, []string{"h:1"}, "")
		b.options.Topic = c.topic
		var in []stream.Collection
		for _, name := range c.collections {
			in = append(in, stream.Collection{Name: name})
		}
		binding, err := b.Sink().Bind(in)
		var problem *stream.Problem
		if string(binding.Storage) != c.want || (c.want == "") != (errors.As(err, &problem) && problem.Hint != "") {
			t.Errorf("%q for %v is %q (%v), want %q", c.topic, c.collections, binding.Storage, err, c.want)
		}
	}
}

// Brokers that refuse, hang up and move leaders cost time, and nothing else.
func TestBrokersMayMisbehaveWhileAReaderLooksOn(t *testing.T) {
	b, cluster := faulty(t, kfake.NumBrokers(3))
	w := b.opened(stream.Target{})
	var want []string
	for n := range uint64(40) {
		switch n % 10 {
		case 2:
			cluster.ShufflePartitionLeaders()
		case 4:
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.NotLeaderForPartition})
		case 6:
			cluster.RehashCoordinators()
		case 8:
			cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				return nil, errors.New("the connection is cut"), true
			})
		}
		key := fmt.Sprintf("k%d", n)
		want = append(want, key, "z"+key)
		if err := wrote(t.Context(), w, txn(w, n+1, key, "z"+key)); err != nil {
			t.Fatalf("epoch %d: %v", n+1, err)
		}
	}
	if got := b.keys(); got != strings.Join(want, " ") {
		t.Errorf("the topic has the keys %s", got)
	}
}
