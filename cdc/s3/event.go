package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// hint is what a notification says of one object: look at it. What it says has happened there is not believed.
type hint struct {
	bucket    string
	key       string
	sequencer string // orders the hints of one key; empty where they have none
}

// Forms of notifications. Unknown fields are passed over, and what is missing is empty.
type (
	// envelope is any of them; which one it is, its fields tell.
	envelope struct {
		Records []record `json:"Records"` // S3, and those that speak like it

		Event string `json:"Event"` // s3:TestEvent, sent when a bucket is connected

		Type    string `json:"Type"` // of SNS
		Message string `json:"Message"`

		Source     string  `json:"source"` // of EventBridge
		DetailType string  `json:"detail-type"`
		Detail     *detail `json:"detail"`
	}
	record struct {
		Version string `json:"eventVersion"`
		Source  string `json:"eventSource"`
		Name    string `json:"eventName"`
		S3      detail `json:"s3"`
	}
	detail struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	}
)

// errForm is a message that is no notification.
var errForm = errors.New("it is no notification of S3")

// decode reads a notification: S3's own JSON, the same in an envelope of SNS, or EventBridge's. A message that is
// known and tells of no object, such as a test, has no hints.
func decode(body []byte) ([]hint, error) { return decodeWithin(body, 0) }

// maxEnvelopes is how deep notifications lie in envelopes.
const maxEnvelopes = 2

func decodeWithin(body []byte, depth int) ([]hint, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("read notification: %w", err)
	}
	switch {
	case e.Records != nil:
		return decodeRecords(e.Records)
	case e.Detail != nil && e.Source == "aws.s3":
		h := hint{bucket: e.Detail.Bucket.Name, key: e.Detail.Object.Key} // EventBridge writes keys as they are
		if e.DetailType == "Object Created" || e.DetailType == "Object Deleted" {
			h.sequencer = e.Detail.Object.Sequencer
		}
		return []hint{h}, nil
	case e.Type == "Notification" && depth < maxEnvelopes:
		return decodeWithin([]byte(e.Message), depth+1)
	case e.Type == "SubscriptionConfirmation" || e.Type == "UnsubscribeConfirmation":
		return nil, nil // it names an address to visit, which is for a person to do
	case e.Event == "s3:TestEvent":
		return nil, nil
	}
	return nil, fmt.Errorf("read notification: %w", errForm)
}

func decodeRecords(records []record) ([]hint, error) {
	hints := make([]hint, 0, len(records))
	for i := range records {
		r := &records[i]
		if !isS3(r.Source) {
			return nil, fmt.Errorf("read notification: %w: its source is %q", errForm, r.Source)
		}
		if major, _, _ := strings.Cut(r.Version, "."); major != "2" {
			return nil, fmt.Errorf("read notification: its form %q is unknown", r.Version)
		}
		// S3 writes keys as forms on pages of the web do: a plus is a space.
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			return nil, fmt.Errorf("read key of notification: %w", err)
		}
		h := hint{bucket: r.S3.Bucket.Name, key: key}
		if r.Source == "aws:s3" && ordered(r.Name) {
			h.sequencer = r.S3.Object.Sequencer // others count in ways that begin anew
		}
		hints = append(hints, h)
	}
	return hints, nil
}

// isS3 reports whether a source speaks of buckets: AWS, MinIO, Ceph and others put their name before it.
func isS3(source string) bool { return strings.HasSuffix(source, ":s3") }

// ordered reports whether sequencers order an event with others of its key: they count what puts and removes.
func ordered(event string) bool {
	event = strings.TrimPrefix(event, "s3:")
	return strings.HasPrefix(event, "ObjectCreated:") || strings.HasPrefix(event, "ObjectRemoved:")
}
