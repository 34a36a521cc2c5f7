package s3test

import (
	"crypto/md5" //nolint:gosec // SQS says how a message is summed
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Queue is a queue in memory.
type Queue struct {
	mu       sync.Mutex
	messages []*message
	changed  chan struct{} // closed and made anew when messages come
	next     int
	hidden   int // times that a message was hidden anew
}

type message struct {
	id, receipt string
	body        string
	until       time.Time // hidden until then
}

// NewQueue is an empty queue.
func NewQueue() *Queue { return &Queue{changed: make(chan struct{})} }

// Send adds messages.
func (q *Queue) Send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.next++
		q.messages = append(q.messages, &message{id: strconv.Itoa(q.next), body: body})
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// Len is the number of messages, hidden or not.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

// Hidden is how often messages were hidden anew.
func (q *Queue) Hidden() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hidden
}

// InFlight is the number of messages that somebody has.
func (q *Queue) InFlight() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, m := range q.messages {
		if m.until.After(time.Now()) {
			n++
		}
	}
	return n
}

// Expire ends the time of every hidden message.
func (q *Queue) Expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		m.until = time.Time{}
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

type sqsRequest struct {
	MaxNumberOfMessages int
	VisibilityTimeout   int
	WaitTimeSeconds     int
	Entries             []struct {
		ID                string `json:"Id"`
		ReceiptHandle     string
		VisibilityTimeout int
	}
}

func (q *Queue) serve(w http.ResponseWriter, r *http.Request, target string) {
	var ask sqsRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	var answer any
	switch target {
	case "ReceiveMessage":
		answer = map[string]any{"Messages": q.receive(r, ask)}
	case "DeleteMessageBatch":
		answer = q.each(ask, func(i int, _ int) { q.messages = append(q.messages[:i], q.messages[i+1:]...) })
	case "ChangeMessageVisibilityBatch":
		answer = q.each(ask, func(i int, seconds int) {
			q.messages[i].until = time.Now().Add(time.Duration(seconds) * time.Second)
			q.hidden++
		})
	case "GetQueueAttributes":
		answer = map[string]any{"Attributes": map[string]string{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:queue"}}
	default:
		http.Error(w, target, http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // a client that has gone does not mind
}

// receive waits for messages as long as it is asked to.
func (q *Queue) receive(r *http.Request, ask sqsRequest) []map[string]string {
	limit := time.NewTimer(time.Duration(ask.WaitTimeSeconds) * time.Second)
	defer limit.Stop()
	for {
		found, changed := q.take(ask)
		if len(found) > 0 {
			return found
		}
		select {
		case <-changed:
		case <-limit.C:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

func (q *Queue) take(ask sqsRequest) (found []map[string]string, changed <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if len(found) == ask.MaxNumberOfMessages || m.until.After(time.Now()) {
			continue
		}
		q.next++
		m.receipt, m.until = fmt.Sprintf("%s-%d", m.id, q.next), time.Now().Add(time.Duration(ask.VisibilityTimeout)*time.Second)
		sum := md5.Sum([]byte(m.body)) //nolint:gosec // as above
		found = append(found, map[string]string{"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:])})
	}
	return found, q.changed
}

// each does something to the message of every entry whose receipt is still good.
func (q *Queue) each(ask sqsRequest, do func(i, seconds int)) any {
	type entry struct {
		ID          string `json:"Id"`
		Code        string `json:",omitempty"`
		Message     string `json:",omitempty"`
		SenderFault bool   `json:",omitempty"`
	}
	var answer struct{ Successful, Failed []entry }
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range ask.Entries {
		at := -1
		for i, m := range q.messages {
			if m.receipt == e.ReceiptHandle {
				at = i
			}
		}
		if at < 0 {
			answer.Failed = append(answer.Failed, entry{ID: e.ID, Code: "ReceiptHandleIsInvalid", Message: "the receipt is too old", SenderFault: true})
			continue
		}
		do(at, e.VisibilityTimeout)
		answer.Successful = append(answer.Successful, entry{ID: e.ID})
	}
	return answer
}
