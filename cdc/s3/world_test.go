package s3_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/s3"
	"github.com/freshet/freshet/cdc/s3/s3test"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// world is a bucket with a queue, and the inlet of a flow that reads it.
type world struct {
	t       *testing.T
	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	bucket  *s3test.Bucket
	queue   *s3test.Queue
	options s3.Options
	in      *cdctest.Inlet
	source  *s3.Source // of the service that runs
	stop    context.CancelFunc
	ended   chan error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, in: cdctest.NewInlet()}
	w.server = httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) { (*w.handler.Load()).ServeHTTP(to, r) }))
	t.Cleanup(w.server.Close)
	w.clear()
	return w
}

// clear empties the world.
func (w *world) clear() {
	w.bucket, w.queue = s3test.NewBucket("docs"), s3test.NewQueue()
	w.serve(&s3test.Server{Bucket: w.bucket, Queue: w.queue})
	w.options.Bucket, w.options.Endpoint = "docs", w.server.URL
}

// serve has the server answer so from now on.
func (w *world) serve(h http.Handler) { w.handler.Store(&h) }

// hear has the source hear of changes by the queue.
func (w *world) hear() { w.options.Notify.SQS = w.server.URL + "/000000000000/docs" }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// event is a notification in the form of S3.
func event(bucket, key string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":%q},"object":{"key":%q}}}]}`,
		bucket, url.QueryEscape(key))
}

// Source implements [cdctest.Harness].
func (w *world) Source() (cdctest.Source, error) { return s3.New(w.options) }

// Write implements [cdctest.Harness]: it puts an object and tells of it.
func (w *world) Write(key, value string) error {
	w.bucket.Put(key, value)
	w.queue.Send(event("docs", key))
	return nil
}

// Delete implements [cdctest.Harness].
func (w *world) Delete(key string) error {
	w.bucket.Delete(key)
	w.queue.Send(event("docs", key))
	return nil
}

// Read implements [cdctest.Harness].
func (w *world) Read(c cdc.Change) (key, value string, err error) {
	if c.After != nil && c.After.Len() == 7 {
		value = c.After.At(2).Text()
	}
	if c.Op == cdc.Reject {
		return "", "", fmt.Errorf("%s: %s", c.Cause.Code, c.Cause.Message)
	}
	return c.Key.Text(), value, nil
}

// once runs a source until it is exhausted, behind what was durable before, and returns its error.
func (w *world) once(adapt ...func(*cdc.Start)) error {
	w.t.Helper()
	w.in = w.in.Crash()
	start := w.in.Start()
	start.Once = true
	for _, a := range adapt {
		a(&start)
	}
	source, err := s3.New(w.options)
	w.must(err)
	return errors.Join(source.Run(w.t.Context(), start, w.in), w.in.Verify())
}

// load is once without an error.
func (w *world) load(adapt ...func(*cdc.Start)) {
	w.t.Helper()
	w.must(w.once(adapt...))
}

// follow starts a source as a service; it is caught up on return. What is durable is confirmed.
func (w *world) follow() {
	w.t.Helper()
	w.begin()
	w.wait("caught up", func() bool { return w.in.Caught() > 0 })
}

// begin is follow without waiting.
func (w *world) begin() {
	w.t.Helper()
	w.in = w.in.Crash()
	source, err := s3.New(w.options)
	w.must(err)
	in, start := w.in, w.in.Start()
	ctx, stop := context.WithCancel(w.t.Context())
	w.source, w.stop, w.ended = source, stop, make(chan error, 1)
	ended := w.ended
	var running sync.WaitGroup
	running.Go(func() { ended <- source.Run(ctx, start, in) })
	running.Go(func() {
		for told := start.Resume; ; {
			if in.Wait(ctx, "a durable position", func() bool { return in.Position() != told }) != nil {
				return
			}
			told = in.Position()
			if source.Confirm(ctx, told) != nil {
				return
			}
		}
	})
	w.t.Cleanup(running.Wait)
	w.t.Cleanup(w.halt)
}

// halt stops the service; it may be called twice.
func (w *world) halt() {
	w.t.Helper()
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	if err := errors.Join(<-w.ended, w.in.Verify()); err != nil {
		w.t.Error(err)
	}
}

// patience is for machines that are busy; a source that is well needs milliseconds.
const patience = 2 * time.Minute

func (w *world) wait(what string, done func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.must(w.in.Wait(ctx, what, done))
}

// until waits for what the inlet does not tell of.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(patience); !done(); <-again.C {
		if time.Now().After(limit) {
			w.t.Fatalf("wait for %s: it does not come", what)
		}
	}
}

// texts are the rows by key with their text; a null text is "<null>".
func (w *world) texts() map[string]string {
	got := make(map[string]string)
	for name, row := range w.in.Rows() {
		if text := row.At(2); text.State == cdc.Null {
			got[name[2:]] = "<null>"
		} else {
			got[name[2:]] = text.Text()
		}
	}
	return got
}

// holds checks the rows now.
func (w *world) holds(want map[string]string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.texts()); diff != "" {
		w.t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// reaches waits until the rows are these.
func (w *world) reaches(want map[string]string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.in.Wait(ctx, "rows", func() bool { return cmp.Equal(want, w.texts()) }); err != nil {
		w.t.Fatalf("%v\nrows (-want +got):\n%s", err, cmp.Diff(want, w.texts()))
	}
}

// fault is the SourceError that the run ended with or the source tells.
func fault(err error) *cdc.SourceError {
	e, _ := errors.AsType[*cdc.SourceError](err)
	if e == nil {
		return &cdc.SourceError{Code: "none", Err: errors.New("no source error")}
	}
	return e
}
