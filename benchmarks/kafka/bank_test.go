package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/internal/testenv"
)

// bank writes two records for each movement: one under a key of its own, which stays, and the new balance of an account,
// under the account's key. Every eleventh movement closes the account.
type bank struct {
	*world
	topic, copy string
	client      *kgo.Client
	rng         *rand.Rand
	movements   int
	balances    map[string]int
	rows        map[string]string // of a topic that is read to its end
}

const bankFlow = `flow: bank
limits: {memory: 256MiB, disk_free: 1MiB}
sources:
  bank: {kafka: {brokers: %[1]q, topic: %[2]s, schema: {amount: int}}}
sinks:
  copy: {from: bank, kafka: {brokers: %[1]q, topic: %[3]s}}
`

func newBank(t *testing.T, addr string) *bank {
	b := &bank{world: newWorld(t, addr), rng: rand.New(rand.NewPCG(3, 5)), balances: map[string]int{}, rows: map[string]string{}}
	b.topic, b.copy = b.world.topic("bank"), b.world.topic("copy")
	b.client = b.world.client(kgo.DefaultProduceTopic(b.topic), kgo.ProducerLinger(5*time.Millisecond))
	return b
}

// move makes movements; the records of one key are sent in order.
func (b *bank) move(n int) error {
	var sent kgo.FirstErrPromise
	put := func(key string, amount int) {
		b.rows[key] = strconv.Itoa(amount)
		b.client.Produce(b.tb.Context(), &kgo.Record{Key: []byte(key), Value: fmt.Appendf(nil, `{"amount":%d}`, amount)}, sent.Promise())
	}
	for range n {
		b.movements++
		amount, account := b.rng.IntN(1000)-500, fmt.Sprint("account ", b.rng.IntN(500))
		put(fmt.Sprint("movement ", b.movements), amount)
		if b.movements%11 == 0 {
			delete(b.rows, account)
			delete(b.balances, account)
			b.client.Produce(b.tb.Context(), &kgo.Record{Key: []byte(account)}, sent.Promise())
			continue
		}
		b.balances[account] += amount
		put(account, b.balances[account])
	}
	return errors.Join(b.client.Flush(b.tb.Context()), sent.Err())
}

// end is how many records the copy holds, those among them that are not committed.
func (b *bank) end(ctx context.Context) (n int64, err error) {
	ends, err := b.admin.ListEndOffsets(ctx, b.copy)
	if err == nil {
		err = ends.Error()
	}
	for _, p := range ends[b.copy] {
		n += p.Offset
	}
	return n, err
}

// grown returns when the copy has grown to so many records.
func (b *bank) grown(ctx context.Context, to int64) error {
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	defer stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		n, err := b.end(ctx)
		if err == nil && n >= to {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d records, there are %d: %w", to, n, errors.Join(context.Cause(ctx), err))
		case <-again.C:
		}
	}
}

// mirrored makes sure that the consumer group shows no more than the state holds (I1).
func (b *bank) mirrored(state map[int32]int64) (shown int64) {
	b.tb.Helper()
	group, err := b.admin.FetchOffsets(b.tb.Context(), "freshet_bank")
	if err != nil {
		b.tb.Fatal(err)
	}
	for partition, o := range group[b.topic] {
		if o.At > state[partition] {
			b.tb.Errorf("the group shows offset %d of partition %d, the state holds %d", o.At, partition, state[partition])
		}
		shown += o.At
	}
	return shown
}

// copied reads the copy as its readers see it, to its end: rows by key. That a movement comes twice, or a version of a
// key does not grow, is a fault.
func (b *bank) copied() map[string]string {
	b.tb.Helper()
	ends, err := b.admin.ListCommittedOffsets(b.tb.Context(), b.copy)
	if err != nil || ends.Error() != nil {
		b.tb.Fatal(err, ends.Error())
	}
	c := b.world.client(kgo.ConsumeTopics(b.copy), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	left := map[int32]int64{}
	for p, o := range ends[b.copy] {
		if o.Offset > 0 {
			left[p] = o.Offset
		}
	}
	rows, versions := map[string]string{}, map[string]uint64{}
	for len(left) > 0 {
		fetches := c.PollFetches(b.tb.Context())
		if err := fetches.Err(); err != nil {
			b.tb.Fatal(err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				b.fold(r, rows, versions)
			}
		}
	}
	return rows
}

func (b *bank) fold(r *kgo.Record, rows map[string]string, versions map[string]uint64) {
	b.tb.Helper()
	key := string(r.Key)
	var version uint64
	for _, h := range r.Headers {
		if h.Key == "freshet.version" {
			version, _ = strconv.ParseUint(string(h.Value), 10, 64)
		}
	}
	if was, ok := versions[key]; ok && (version <= was || strings.HasPrefix(key, "movement")) {
		b.tb.Errorf("%s comes with version %d at %d/%d, and came with %d", key, version, r.Partition, r.Offset, was)
	}
	versions[key] = version
	if r.Value == nil {
		delete(rows, key)
		return
	}
	_, amount, _ := strings.Cut(string(r.Value), `"amount":`)
	rows[key], _, _ = strings.Cut(amount, ",")
}

// opened is by how many records the copy has grown once the flow has surely opened it: that alone ends the transaction of
// the process before, which shows in each partition. A flow that cannot open its sink ends.
const opened = 10 * partitions

// TestABankOfRecordsUnderKillsIsCopiedOnce moves money through a topic of eight partitions, and copies it by a flow whose
// process is killed all the while, within transactions too, and whose broker is killed at times: readers of committed
// records see every movement once and every account as it is, and the consumer group never shows more than the state
// holds (I1, I3, I8).
func TestABankOfRecordsUnderKillsIsCopiedOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills the engine and a broker under load for seconds")
	}
	movements, kills, breaks := 10_000, 2, 1
	if os.Getenv("FRESHET_SOAK") == "1" {
		movements, kills, breaks = 500_000, 50, 5
	}
	server := testenv.OwnKafka(t)
	b := newBank(t, server.Addr())
	p := newProgram(t, fmt.Sprintf(bankFlow, server.Addr(), b.topic, b.copy))
	var shown int64
	for i := range kills {
		if err := b.move(movements / kills); err != nil {
			t.Fatal(err)
		}
		p.life(func(ctx context.Context) error {
			n, err := b.end(ctx)
			if err != nil {
				return err
			}
			// These movements alone make as many records of the copy.
			if i%(kills/breaks) == kills/breaks/2 {
				if err := b.grown(ctx, n+opened); err != nil {
					return err
				}
				server.Kill(t)
				server.Start(t)
			}
			return b.grown(ctx, n+int64(b.rng.IntN(movements/kills)))
		})
		shown = b.mirrored(p.position("bank"))
	}
	p.once()
	state := p.position("bank")
	shown = b.mirrored(state)
	if diff := cmp.Diff(b.rows, b.copied()); diff != "" {
		t.Errorf("the copy differs from the bank (-bank +copy):\n%.2000s", diff)
	}
	var held int64
	for _, next := range state {
		held += next
	}
	if held != int64(2*b.movements) {
		t.Errorf("the state holds %d records of %d", held, 2*b.movements)
	}
	t.Logf("%d records in, %d kills of the engine, %d of the broker; the group shows %d records", held, kills, breaks, shown)
}
