package kafka_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/freshet/freshet/stream"
)

// A cluster that refuses all that belongs to transactions takes rows without them.
func TestWithoutTransactionsNoneIsAskedFor(t *testing.T) {
	b, cluster := faulty(t)
	b.options.AtLeastOnce = true
	var asked atomic.Int32
	cluster.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		switch r := r.(type) {
		case *kmsg.InitProducerIDRequest:
			if r.TransactionalID != nil {
				asked.Add(1)
			}
		case *kmsg.AddPartitionsToTxnRequest, *kmsg.EndTxnRequest, *kmsg.TxnOffsetCommitRequest:
			asked.Add(1)
		case *kmsg.ProduceRequest:
			if r.TransactionID != nil {
				asked.Add(1)
			}
		}
		return nil, nil, false
	})
	w := b.opened(stream.Target{})
	if err := wrote(t.Context(), w, txn(w, 1, "a", "b")); err != nil {
		t.Fatal(err)
	}
	again := b.opened(stream.Target{Generation: w.Progress().Generation, Epoch: 1})
	if p := again.Progress(); p.Epoch != 1 || p.Exact || p.Wiped {
		t.Errorf("the next opening finds %+v, want epoch 1, and no word that nothing is behind it", p)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests belong to transactions", n)
	}
	if got := b.keys(); got != "a b" {
		t.Errorf("the topic has the keys %s, want a b", got)
	}
}

// I3: an older opening finds out that it is fenced before it has sent anything that a reader sees, and leaves the newer
// one alone; also where the brokers fence nobody, whichever of the two used transactions.
func TestAnOlderOpeningIsFencedForGood(t *testing.T) {
	for name, plain := range map[string][2]bool{"both with transactions": {false, false}, "both without": {true, true}, "only the newer one with transactions": {true, false}, "only the older one": {false, true}} {
		t.Run(name, func(t *testing.T) {
			b, _ := faulty(t)
			b.options.AtLeastOnce = plain[0]
			older := b.opened(stream.Target{})
			if err := wrote(t.Context(), older, txn(older, 1, "a")); err != nil {
				t.Fatal(err)
			}
			b.options.AtLeastOnce = plain[1]
			newer := b.opened(stream.Target{Generation: older.Progress().Generation, Epoch: 1})
			for range 2 {
				if err := wrote(t.Context(), older, txn(older, 2, "zombie")); !errors.Is(err, stream.ErrFenced) {
					t.Fatalf("the older one ends with %v, want %v", err, stream.ErrFenced)
				}
			}
			if err := wrote(t.Context(), newer, txn(newer, 2, "b")); err != nil {
				t.Fatalf("the newer one ends with %v", err)
			}
			if got := b.keys(); got != "a b" {
				t.Errorf("the topic has the keys %s, want a b", got)
			}
		})
	}
}

// Without transactions an answer that is lost has records sent again: a version may come twice, and the last record of
// each key is its newest all the same.
func TestWithoutTransactionsALostAnswerLosesNothing(t *testing.T) {
	b, cluster := faulty(t)
	b.options.AtLeastOnce = true
	w := b.opened(stream.Target{})
	var cut atomic.Int32
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if n := cut.Add(1); n%3 == 1 {
			return nil, errors.New("the connection is cut"), true
		}
		return nil, nil, false
	})
	for epoch, owners := range [][]string{{"a", "b"}, {"-a", "c"}, {"a", "-b"}} {
		if err := wrote(t.Context(), w, txn(w, uint64(epoch+1), owners...)); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := b.Rows(w)
	if err != nil || len(rows) != 2 || rows["a"].Version&(1<<40-1) != 3 || rows["c"].JSON == "" {
		t.Errorf("the topic folds to %v: %v", rows, err)
	}
	if cut.Load() < 4 {
		t.Error("nothing was cut")
	}
}

// What a dead process has left of a transaction is ended by an opening without any: readers would wait for it.
func TestWithoutTransactionsAnOpenOneIsEnded(t *testing.T) {
	b, _ := faulty(t)
	older := b.opened(stream.Target{})
	if err := wrote(t.Context(), older, txn(older, 1, "a")); err != nil {
		t.Fatal(err)
	}
	err := b.with(func(ctx context.Context, client *kgo.Client, _ *kadm.Client) error {
		return errors.Join(client.BeginTransaction(), client.ProduceSync(ctx, &kgo.Record{Topic: "out", Key: []byte("half")}).FirstErr())
	}, kgo.TransactionalID("freshet-out"))
	if err != nil {
		t.Fatal(err)
	}
	b.options.AtLeastOnce = true
	newer := b.opened(stream.Target{Generation: older.Progress().Generation, Epoch: 1})
	if err := wrote(t.Context(), newer, txn(newer, 2, "b")); err != nil {
		t.Fatal(err)
	}
	if got := b.keys(); got != "a b" {
		t.Errorf("readers of committed records see the keys %s, want a b", got)
	}
}
