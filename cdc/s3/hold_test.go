package s3

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc/s3/s3test"
)

// A message is hidden anew for as long as it is held; one whose receipt is too old is forgotten, and comes again.
func TestMessagesAreHiddenForAsLongAsTheyAreHeld(t *testing.T) {
	served := s3test.NewQueue()
	server := httptest.NewServer(&s3test.Server{Bucket: s3test.NewBucket("docs"), Queue: served})
	defer server.Close()
	o := &Options{Bucket: "docs", Endpoint: server.URL, Notify: Notify{SQS: server.URL + "/0/docs"}}
	if err := o.settle(); err != nil {
		t.Fatal(err)
	}
	q, err := dialQueue(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer q.close()
	s := &sieve{bucket: "docs"}
	const n = 25 // more than fit in one request
	for i := range n {
		served.Send(fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","s3":{"bucket":{"name":"docs"},"object":{"key":"k%d"}}}]}`, i))
	}
	for len(q.held) < n {
		got, err := q.receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if p := q.hold(&got[i], s); p == nil || q.hold(&got[i], s) != nil {
				t.Errorf("message %d is not held once", i)
			}
		}
	}
	if err := q.hide(t.Context()); err != nil || served.Hidden() != 0 {
		t.Errorf("messages that have just come are hidden %d times: %v", served.Hidden(), err)
	}
	age := func() {
		for _, m := range q.held {
			m.until = time.Now().Add(queueHides / 3)
		}
	}
	age()
	if err := q.hide(t.Context()); err != nil || served.Hidden() != n {
		t.Errorf("%d of %d are hidden anew: %v", served.Hidden(), n, err)
	}
	if err := q.hide(t.Context()); err != nil || served.Hidden() != n {
		t.Errorf("then %d more: %v", served.Hidden()-n, err)
	}
	age()
	for _, m := range q.held {
		m.receipt = "old"
		break
	}
	if err := q.hide(t.Context()); err != nil || len(q.held) != n-1 {
		t.Errorf("%d are held: %v", len(q.held), err)
	}
	if err := q.remove(t.Context(), 1<<60); err != nil || served.Len() != n {
		t.Errorf("what is not settled goes: %d are left, %v", served.Len(), err)
	}
	for _, m := range q.held {
		q.settle(m, 7)
	}
	if err := q.remove(t.Context(), 6); err != nil || served.Len() != n {
		t.Errorf("what is not durable goes: %d are left, %v", served.Len(), err)
	}
	if err := q.remove(t.Context(), 7); err != nil || served.Len() != 1 || len(q.held) != 0 {
		t.Errorf("%d are left, %d held: %v", served.Len(), len(q.held), err)
	}
}

func TestTheRegionOfAQueueIsThatOfItsAddress(t *testing.T) {
	for url, want := range map[string][2]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/docs":     {"https://sqs.eu-west-1.amazonaws.com", "eu-west-1"},
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/docs": {"https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"},
		"http://127.0.0.1:9324/000000000000/docs":                   {"http://127.0.0.1:9324", ""},
	} {
		endpoint, err := queueEndpoint(url)
		if err != nil || endpoint != want[0] || queueRegion(endpoint) != want[1] {
			t.Errorf("%s: %q in %q, %v", url, endpoint, queueRegion(endpoint), err)
		}
	}
}
