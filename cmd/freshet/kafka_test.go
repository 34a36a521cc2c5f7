package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// produceLines sends the records of a file, one object with key and value a line.
func produceLines(t *testing.T, client *kgo.Client, topic, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var line struct {
			Key   string          `json:"key"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: topic, Key: []byte(line.Key), Value: line.Value}
		if string(line.Value) == "null" {
			r.Value = nil
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// folded reads a topic: it gives the newest value of each key, without the version.
func folded(t *testing.T, brokers []string, topic string) map[string]string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	rows := map[string]string{}
	for quiet := 0; quiet < 3; quiet++ {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		fetches := client.PollFetches(ctx)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			quiet = 0
			switch {
			case r.Attrs.IsControl():
			case r.Value == nil:
				delete(rows, string(r.Key))
			default:
				value, _, _ := strings.Cut(string(r.Value), `,"_version"`)
				rows[string(r.Key)] = value
			}
		})
	}
	return rows
}

// The example of a flow from topic to topic does what it says, and a run that finds nothing new writes nothing.
func TestExampleOfTopics(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1), kfake.SeedTopics(2, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	brokers := cluster.ListenAddrs()
	t.Setenv("KAFKA_BROKERS", brokers[0])
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dir := filepath.Join("..", "..", "examples", "kafka")
	produceLines(t, client, "orders", filepath.Join(dir, "orders.jsonl"))
	state := filepath.Join(t.TempDir(), "state")
	run := func() {
		t.Helper()
		var out, errs bytes.Buffer
		if code := execute([]string{"run", filepath.Join(dir, "flow.yaml"), "--once", "--json", "--state", state}, &out, &errs); code != exitOK {
			t.Fatalf("exit %d: %s %s", code, out.String(), errs.String())
		}
	}
	run()
	want := map[string]string{"1001": `{"_key":"1001","key":"1001","customer":"anna","total":1200.5`, "1004": `{"_key":"1004","key":"1004","customer":"dora","total":1000`}
	if diff := cmp.Diff(want, folded(t, brokers, "large-orders")); diff != "" {
		t.Errorf("the topic differs (-want +got):\n%s", diff)
	}
	end := cluster.PartitionInfo("large-orders", 0).HighWatermark
	run()
	if got := cluster.PartitionInfo("large-orders", 0).HighWatermark; got != end {
		t.Errorf("a run that finds nothing new writes %d records", got-end)
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Key: []byte("1001")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	run()
	delete(want, "1001")
	if diff := cmp.Diff(want, folded(t, brokers, "large-orders")); diff != "" {
		t.Errorf("an order that goes leaves the topic (-want +got):\n%s", diff)
	}
}
