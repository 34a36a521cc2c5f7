package s3_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/s3"
	"github.com/freshet/freshet/internal/broker"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// I1: a message stays until what it told is durable.
func TestAMessageIsRemovedWhenItsChangesAreDurable(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.follow()
	w.in.Defer()
	w.must(w.Write("a", "1"))
	w.must(w.Write("b", "2"))
	w.reaches(map[string]string{"a": "1", "b": "2"})
	first := w.in.Puts()[0].Position
	w.in.Durable(first)
	w.until("one message to go", func() bool { return w.queue.Len() == 1 })
	w.in.Durable(w.in.Last())
	w.until("the other to go", func() bool { return w.queue.Len() == 0 })
	// What tells of nothing new is durable already.
	w.queue.Send(event("docs", "a"))
	w.until("a hint without news to go", func() bool { return w.queue.Len() == 0 })
}

// A crash gives messages back, and they are told again: nothing is lost, nothing is put twice.
func TestMessagesThatWereHeldComeAgainAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.follow()
	w.in.Defer()
	w.must(w.Write("a", "1"))
	w.reaches(map[string]string{"a": "1"})
	w.halt()
	if w.queue.Len() != 1 {
		t.Errorf("%d messages are left", w.queue.Len())
	}
	w.follow()
	w.reaches(map[string]string{"a": "1"})
	w.until("the message to go", func() bool {
		w.queue.Expire() // also while it is held: it comes twice then
		return w.queue.Len() == 0
	})
	if n := len(w.in.Puts()); n != 1 {
		t.Errorf("%d changes", n)
	}
}

// What cannot be read, is of another bucket or outside of the prefix, is removed, and nothing more.
func TestMessagesThatLeadToNothingAreRemoved(t *testing.T) {
	w := newWorld(t)
	w.options.Prefix = "in/"
	w.hear()
	w.bucket.Put("in/a", "1")
	w.bucket.Put("out/b", "1")
	w.follow()
	heads := w.bucket.Count("head")
	w.queue.Send("{garbage", `{"some":"thing"}`, event("other", "in/a"), event("docs", "out/b"), event("docs", ""), event("docs", "in/\xff"),
		`{"Service":"Amazon S3","Event":"s3:TestEvent"}`, strings.Replace(event("docs", "in/a"), `"2.1"`, `"9.0"`, 1))
	w.until("the queue to be emptied", func() bool { return w.queue.Len() == 0 })
	if got := w.bucket.Count("head"); got != heads || w.in.Hindrance() != nil {
		t.Errorf("the bucket is asked %d times; the problem is %v", got-heads, w.in.Hindrance())
	}
	w.must(w.Write("in/a", "2"))
	w.reaches(map[string]string{"in/a": "2"})
}

// I9: while there is no credit messages wait in the queue, and only as many are held as have room.
func TestASourceThatWaitsTakesNoMore(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.follow()
	w.in.Hold()
	w.must(w.Write("first", "x"))
	w.wait("a Put that waits", func() bool { return w.in.Waiting() > 0 })
	const n = 400
	for i := range n {
		w.must(w.Write(strconv.Itoa(i), "x"))
	}
	w.until("the source to hold what it has room for", func() bool { return w.queue.InFlight() > 64 })
	if got := w.queue.InFlight(); got > n/2 {
		t.Errorf("%d messages are held", got)
	}
	w.in.Release()
	w.reaches(w.bucket.Texts(""))
	w.until("the queue to be emptied", func() bool { return w.queue.Len() == 0 })
}

// A queue that cannot be reached is a problem; listings go on.
func TestAQueueThatIsDeniedLeavesListings(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.options.Reconcile = 20 * time.Millisecond
	served := *w.handler.Load()
	w.serve(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			to.Header().Set("Content-Type", "application/x-amz-json-1.0")
			to.WriteHeader(http.StatusForbidden)
			fmt.Fprint(to, `{"__type":"com.amazonaws.sqs#AccessDenied","message":"told so"}`)
			return
		}
		served.ServeHTTP(to, r)
	}))
	w.follow()
	w.wait("the problem", func() bool { return fault(w.in.Hindrance()).Code == "access_denied" })
	w.bucket.Put("a", "1")
	w.reaches(map[string]string{"a": "1"})
}

func TestNotificationsComeFromKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := newWorld(t)
	w.options.Notify.Kafka = &s3.Topic{Access: broker.Access{Brokers: cluster.ListenAddrs()}, Topic: "events"}
	w.bucket.Put("a", "1")
	w.follow()
	w.bucket.Put("a", "2")
	w.bucket.Put("b", "1")
	for _, body := range []string{"{garbage", event("docs", "b"), event("docs", "a"), event("docs", "a")} {
		w.must(client.ProduceSync(t.Context(), kgo.StringRecord(body)).FirstErr())
	}
	w.reaches(map[string]string{"a": "2", "b": "1"})
	w.halt()
	w.bucket.Delete("a")
	w.must(client.ProduceSync(t.Context(), kgo.StringRecord(event("docs", "a"))).FirstErr())
	w.follow()
	w.holds(map[string]string{"b": "1"})
}

func TestOptionsThatCannotBeMeantAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		option string
		o      s3.Options
	}{
		"no bucket":                            {"bucket", s3.Options{}},
		"a path for a bucket":                  {"bucket", s3.Options{Bucket: "docs/in"}},
		"an endpoint that is none":             {"endpoint", s3.Options{Bucket: "b", Endpoint: "localhost:9000"}},
		"a size beyond all":                    {"max_size", s3.Options{Bucket: "b", MaxSize: 2 << 30}},
		"a negative interval":                  {"reconcile", s3.Options{Bucket: "b", Reconcile: -1}},
		"no share":                             {"max_delete", s3.Options{Bucket: "b", MaxDelete: 2}},
		"two ways to be told":                  {"notify", s3.Options{Bucket: "b", Notify: s3.Notify{SQS: "http://h/q", Poll: 1}}},
		"a queue without a path":               {"notify.sqs", s3.Options{Bucket: "b", Notify: s3.Notify{SQS: "https://sqs.eu-west-1.amazonaws.com"}}},
		"a webhook without a port":             {"notify.webhook", s3.Options{Bucket: "b", Notify: s3.Notify{Webhook: s3.Webhook{Addr: "localhost"}}}},
		"a webhook that anybody reaches":       {"notify.webhook", s3.Options{Bucket: "b", Notify: s3.Notify{Webhook: s3.Webhook{Addr: "0.0.0.0:80"}}}},
		"a topic without brokers":              {"notify.kafka.brokers", s3.Options{Bucket: "b", Notify: s3.Notify{Kafka: &s3.Topic{Topic: "t"}}}},
		"brokers without a topic":              {"notify.kafka.topic", s3.Options{Bucket: "b", Notify: s3.Notify{Kafka: &s3.Topic{Access: broker.Access{Brokers: []string{"h:1"}}}}}},
		"an interval of listing that is below": {"notify.poll", s3.Options{Bucket: "b", Notify: s3.Notify{Poll: -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s3.New(c.o)
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				err = joined.Unwrap()[0]
			}
			option, _ := err.(*cdc.OptionError)
			if option == nil || option.Option != c.option || option.Hint == "" {
				t.Errorf("it ends with %v", err)
			}
		})
	}
	if _, err := s3.New(s3.Options{Bucket: "b", Notify: s3.Notify{Webhook: s3.Webhook{Addr: ":80", Token: "t"}}}); err != nil {
		t.Errorf("a webhook with a token: %v", err)
	}
}

// A probe says what it found, or what a person can do.
func TestAProbeReachesBucketAndQueue(t *testing.T) {
	w := newWorld(t)
	w.hear()
	w.many(3)
	source, err := s3.New(w.options)
	w.must(err)
	found, err := source.Probe(t.Context())
	if err != nil || found != "bucket docs can be listed; objects: 3; the queue can be read" {
		t.Errorf("%q, %v", found, err)
	}
	if n, err := source.Estimates(t.Context()); err != nil || n[0].Rows != 3 || n[0].Bytes <= 0 {
		t.Errorf("estimates are %v, %v", n, err)
	}
	w.bucket.Refuse(refusing(403, "AccessDenied", "head"))
	if _, err := source.Probe(t.Context()); fault(err).Code != "access_denied" {
		t.Errorf("without the right to read: %v", err)
	}
	w.bucket.Refuse(refusing(404, "NoSuchBucket"))
	if _, err := source.Probe(t.Context()); fault(err).Code != "server_unreachable" {
		t.Errorf("without a bucket: %v", err)
	}
}

var _ interface {
	Describe(cdc.Position) string
	ParsePosition(string) (cdc.Position, error)
} = (*s3.Source)(nil)

func TestPositionsAreNumbers(t *testing.T) {
	s, err := s3.New(s3.Options{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.ParsePosition("300")
	if err != nil || s.Describe(p) != "300" {
		t.Errorf("300 becomes %q, %v", s.Describe(p), err)
	}
	if q, _ := s.ParsePosition("4"); q >= p {
		t.Error("4 does not lie before 300")
	}
	if _, err := s.ParsePosition("x"); err == nil {
		t.Error("x is a position")
	}
	if err := s.Confirm(t.Context(), "short"); err == nil {
		t.Error("a position of another source is confirmed")
	}
}
