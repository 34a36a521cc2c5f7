package openai_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/openai"
	"github.com/freshet/freshet/accel/rest"
	"github.com/freshet/freshet/backpressure"
)

// Every fault of a model server, one after the other, over real connections: what comes out of the batcher
// is one right vector for each text, or a rejection, and no text is paid twice (I6, I7).
func TestABatcherBringsEveryTextThroughEveryFault(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	faults := []func(http.ResponseWriter, *http.Request) bool{
		slam(""),
		slam("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\":["),
		hang,
		status(200, "<html>bad gateway</html>", "Content-Type", "text/html"),
		status(200, `{"data":[{"embedding":[NaN]}]}`),
		status(200, `{"data":[]}`),
		status(429, `{}`, "retry-after-ms", "50"),
		status(500, `{}`),
		status(503, ``),
	}
	s := serve(t)
	var mu sync.Mutex
	requests := 0
	paid := map[string]int{}
	s.instead = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		n := requests
		requests++
		if n%4 == 1 && n/4 < len(faults) {
			mu.Unlock()
			defer mu.Lock()
			return faults[n/4](w, r)
		}
		asked := s.seen()
		texts := asked[len(asked)-1].Input
		if slices.Contains(texts, "poison") {
			return status(400, `{"error":{"message":"not that one"}}`)(w, r)
		}
		for _, text := range texts {
			paid[text]++
		}
		return false
	}

	results := make(chan accel.Result, 1000)
	b := accel.NewBatcher(accel.Embeddings(s.client(t, nil)), accel.BatcherOptions{
		// One at a time, so that the request just seen is the one being answered.
		Governor: backpressure.New(backpressure.Options{Concurrency: 1}), Rows: 4, Timeout: 200 * time.Millisecond,
		Done: func(rs []accel.Result) {
			for _, r := range rs {
				results <- r
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	defer running.Wait()
	defer cancel()

	texts := map[[16]byte]string{}
	var calls []accel.Call
	for i := range 100 {
		text := fmt.Sprint("text ", i)
		if i == 33 {
			text = "poison"
		}
		fp := [16]byte{byte(i)}
		texts[fp] = text
		calls = append(calls, accel.Call{Fingerprint: fp, Text: text})
	}
	b.Submit(calls)
	for range calls {
		r := <-results
		text := texts[r.Fingerprint]
		delete(texts, r.Fingerprint)
		if text == "poison" {
			if e, ok := errors.AsType[*accel.Error](r.Err); !ok || e.Kind != accel.Rejected || e.Message != "not that one" {
				t.Errorf("the poison ended in %v", r.Err)
			}
			continue
		}
		if diff := cmp.Diff(vectorOf(text), r.Vector); diff != "" || r.Err != nil {
			t.Errorf("%q ended in %v (-want +got):\n%s", text, r.Err, diff)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(texts) != 0 || requests < 4*len(faults) {
		t.Errorf("%d texts without a result, %d requests", len(texts), requests)
	}
	for text, n := range paid {
		if n != 1 {
			t.Errorf("%q was paid %d times", text, n)
		}
	}
}

func ExampleClient() {
	client, err := openai.New(rest.ModelOptions{BaseURL: "http://127.0.0.1:1/v1", Model: "bge-small", Dims: 384})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.Embed(context.Background(), []string{"nobody listens on port 1"})
	if e, ok := errors.AsType[*accel.Error](err); ok {
		fmt.Println(e.Kind, e.Retryable(), strings.Contains(e.Error(), "connection refused"))
	}
	// Output: unavailable true true
}
