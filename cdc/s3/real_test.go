package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/s3"
	"github.com/freshet/freshet/internal/testenv"
)

// The tests below run against moto, where it is installed: signatures, XML and queues as AWS writes them, and events that
// the server sends by itself.

// bed is a bucket at moto that tells a queue of its objects.
type bed struct {
	*world
	name  string
	store *api.Client
	sqs   *sqs.Client
	queue string
}

func newBed(t *testing.T, name string) *bed {
	t.Helper()
	server := testenv.S3(t)
	t.Cleanup(func() {
		if log := server.Log(); t.Failed() {
			t.Logf("the end of the server's log:\n%s", log[max(0, len(log)-3000):])
		}
	})
	identity := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})
	b := &bed{world: &world{t: t, in: cdctest.NewInlet()}, name: name,
		store: api.New(api.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.Endpoint()), UsePathStyle: true, Credentials: identity}),
		sqs:   sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: aws.String(server.Endpoint()), Credentials: identity})}
	_, err := b.store.CreateBucket(t.Context(), &api.CreateBucketInput{Bucket: &name})
	b.must(err)
	made, err := b.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "2"}})
	b.must(err)
	b.queue = aws.ToString(made.QueueUrl)
	u, err := url.Parse(b.queue)
	b.must(err)
	b.options = s3.Options{Bucket: name, Endpoint: server.Endpoint(), Notify: s3.Notify{SQS: server.Endpoint() + u.Path}}
	_, err = b.store.PutBucketNotificationConfiguration(t.Context(), &api.PutBucketNotificationConfigurationInput{Bucket: &name,
		NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{{
			QueueArn: aws.String("arn:aws:sqs:us-east-1:123456789012:" + name), Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}}}}})
	b.must(err)
	return b
}

func (b *bed) Write(key, value string) error {
	_, err := b.store.PutObject(b.t.Context(), &api.PutObjectInput{Bucket: &b.name, Key: &key, Body: strings.NewReader(value)})
	return err
}

func (b *bed) Delete(key string) error {
	_, err := b.store.DeleteObject(b.t.Context(), &api.DeleteObjectInput{Bucket: &b.name, Key: &key})
	return err
}

// depth is how many messages the queue has, hidden or not.
func (b *bed) depth() string {
	out, err := b.sqs.GetQueueAttributes(b.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &b.queue, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	b.must(err)
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func TestSourceConformsOverARealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("a real server takes seconds to start")
	}
	testenv.S3(t) // before goroutines are counted
	n := 0
	cdctest.TestSource(t, func(t *testing.T) cdctest.Harness {
		n++
		return newBed(t, fmt.Sprintf("conform-%02d", n))
	})
}

// Versions, copies and objects in parts, as a real server keeps them.
func TestARealBucketIsFollowed(t *testing.T) {
	if testing.Short() {
		t.Skip("a real server takes seconds to start")
	}
	b := newBed(t, "follow")
	b.options.Prefix = "in/"
	odd := "in/ü +%2B/a b//"
	b.must(errors.Join(b.Write("in/a", "1"), b.Write(odd, "odd"), b.Write("out/x", "outside")))
	b.follow()
	b.holds(map[string]string{"in/a": "1", odd: "odd"})
	_, err := b.store.CopyObject(t.Context(), &api.CopyObjectInput{Bucket: &b.name, Key: aws.String("in/copy"), CopySource: aws.String("follow/in/a")})
	b.must(errors.Join(err, b.Write(odd, "odder"), b.Delete("in/a"), b.Write("out/y", "outside")))
	b.reaches(map[string]string{"in/copy": "1", odd: "odder"})

	part, err := b.store.CreateMultipartUpload(t.Context(), &api.CreateMultipartUploadInput{Bucket: &b.name, Key: aws.String("in/parts")})
	b.must(err)
	large := strings.Repeat("part of an object that comes in parts\n", 160_000)
	done := &types.CompletedMultipartUpload{}
	for i := range int32(2) {
		out, err := b.store.UploadPart(t.Context(), &api.UploadPartInput{Bucket: &b.name, Key: aws.String("in/parts"), UploadId: part.UploadId,
			PartNumber: aws.Int32(i + 1), Body: strings.NewReader(large)})
		b.must(err)
		done.Parts = append(done.Parts, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(i + 1)})
	}
	_, err = b.store.CompleteMultipartUpload(t.Context(), &api.CompleteMultipartUploadInput{Bucket: &b.name, Key: aws.String("in/parts"), UploadId: part.UploadId, MultipartUpload: done})
	b.must(err)
	b.reaches(map[string]string{"in/copy": "1", odd: "odder", "in/parts": large + large})
	if row := b.in.Rows()["0/in/parts"]; !strings.HasSuffix(row.At(5).Text(), "-2") {
		t.Errorf("the ETag of an object in two parts is %q", row.At(5).Text())
	}
	b.until("the queue to be emptied", func() bool { return b.depth() == "0+0" })
	b.halt()
	b.must(errors.Join(b.Delete("in/copy"), b.Delete("in/parts")))
	b.load()
	b.holds(map[string]string{odd: "odder"})
}

// A message is hidden for as long as what it told is not durable, although the queue would show it again.
func TestARealQueueHidesWhatIsHeld(t *testing.T) {
	if testing.Short() {
		t.Skip("a real server takes seconds to start")
	}
	b := newBed(t, "hide")
	b.follow()
	b.in.Defer()
	b.must(b.Write("a", "1"))
	b.reaches(map[string]string{"a": "1"})
	<-time.After(2500 * time.Millisecond)               // longer than the queue hides by itself
	if got := b.depth(); got != "0+1" && got != "0+2" { // moto tells of the test as well
		t.Errorf("the queue has %s messages", got)
	}
	b.in.Durable(b.in.Last())
	b.until("the queue to be emptied", func() bool { return b.depth() == "0+0" })
}
