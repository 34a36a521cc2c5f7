// Package topic gives examples a broker of Apache Kafka of their own, whose topics have one partition, and prints what
// is written there.
//
// Errors are kept by the scene. A [Broker] belongs to one goroutine.
//
// Of Freshet's packages it may import examples/internal/scene and internal/testenv.
package topic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/internal/testenv"
)

// Broker is a broker that ends with it.
type Broker struct {
	scene  *scene.Scene
	server *testenv.KafkaServer // nil where it could not be started
	client *kgo.Client
	admin  *kadm.Client
	shown  map[string]int64 // topic → the offset behind what Show has printed
}

// Open starts a broker. Flows find its address in KAFKA_BROKERS.
func Open(s *scene.Scene) *Broker {
	b := &Broker{scene: s, shown: map[string]int64{}}
	if s.Err() != nil {
		return b
	}
	var err error
	if b.server, err = testenv.RunKafka(); !s.Check(err) {
		return b
	}
	s.Setenv("KAFKA_BROKERS", b.server.Addr())
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.server.Addr())); s.Check(err) {
		b.admin = kadm.NewClient(b.client)
	}
	return b
}

// Close ends the broker.
func (b *Broker) Close() {
	if b.client != nil {
		b.client.Close()
	}
	if b.server != nil {
		b.scene.Check(b.server.Close())
	}
}

// Make makes a topic.
func (b *Broker) Make(ctx context.Context, topic string) {
	if b.scene.Err() == nil {
		_, err := b.admin.CreateTopic(ctx, 1, 1, nil, topic)
		b.scene.Check(err)
	}
}

// Produce sends the records of a file of the example, {"key": …, "value": …} a line. It gives the position behind them,
// as the flow's source writes it.
func (b *Broker) Produce(ctx context.Context, topic, file string) (position string) {
	for lines := bufio.NewScanner(bytes.NewReader(b.scene.Read(file))); b.scene.Err() == nil && lines.Scan(); {
		var line struct {
			Key   string
			Value json.RawMessage
		}
		if !b.scene.Check(json.Unmarshal(lines.Bytes(), &line)) {
			break
		}
		r := &kgo.Record{Topic: topic, Key: []byte(line.Key), Value: line.Value}
		if string(line.Value) == "null" {
			r.Value = nil
		}
		b.scene.Check(b.client.ProduceSync(ctx, r).FirstErr())
		position = fmt.Sprintf("0:%d", r.Offset+1)
	}
	return position
}

// Show prints the committed records of a topic that it has not printed yet, without the columns that say where a row
// comes from.
func (b *Broker) Show(ctx context.Context, topic string) {
	b.scene.Say("+ kafka-console-consumer --topic %s", topic)
	end := b.settled(ctx, topic)
	if b.scene.Err() != nil || b.shown[topic] == end {
		return
	}
	from := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(b.shown[topic])}}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.server.Addr()), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if !b.scene.Check(err) {
		return
	}
	defer client.Close()
	for b.shown[topic] < end && b.scene.Err() == nil {
		fetches := client.PollFetches(ctx)
		b.scene.Check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			b.shown[topic] = r.Offset + 1
			if !r.Attrs.IsControl() {
				b.scene.Say("%s", text(r))
			}
		})
	}
}

// settled is the end of a topic, once no transaction is open there.
func (b *Broker) settled(ctx context.Context, topic string) int64 {
	for b.scene.Err() == nil {
		ends, err := b.admin.ListEndOffsets(ctx, topic)
		b.scene.Check(err)
		stable, err := b.admin.ListCommittedOffsets(ctx, topic)
		b.scene.Check(err)
		end, _ := ends.Lookup(topic, 0)
		if at, ok := stable.Lookup(topic, 0); ok && b.scene.Check(at.Err) && at.Offset == end.Offset {
			return end.Offset
		}
		b.scene.Pause(ctx)
	}
	return 0
}

func text(r *kgo.Record) string {
	if r.Value == nil {
		return string(r.Key) + "  null"
	}
	value, _, made := strings.Cut(string(r.Value), `,"_version"`)
	if made {
		value += "}"
	}
	return string(r.Key) + "  " + value
}
