package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func columns() []cdc.Column {
	return []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.String}}, {Name: "value", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}
}

// world is a client with an outbox: it pushes what was written, in order, until each push was answered 202. What a
// restart finds in a world is what that client would still push; a source of its own has nothing to read.
type world struct {
	t *testing.T

	mu      sync.Mutex
	outbox  []map[string]any // what was not acknowledged yet
	handed  int              // how many of them the source has put
	changed chan struct{}
}

func newWorld(t *testing.T) *world { return &world{t: t, changed: make(chan struct{})} }

func (w *world) add(element map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outbox = append(w.outbox, element)
	w.tellLocked()
}

func (w *world) tellLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) Write(key, value string) error {
	w.add(map[string]any{"id": key, "value": value})
	return nil
}

func (w *world) Delete(key string) error {
	w.add(map[string]any{"_op": "delete", "id": key})
	return nil
}

func (w *world) Read(c cdc.Change) (key, value string, err error) {
	parts, err := c.Key.Parts()
	if err != nil {
		return "", "", err
	}
	if c.After != nil {
		value = c.After.At(min(1, c.After.Len()-1)).Text()
	}
	return parts[0].Text(), value, nil
}

func (w *world) Source() (cdctest.Source, error) {
	s, err := http.New(http.Options{Listen: "127.0.0.1:0", Schema: columns(), Key: []string{"id"}})
	if err != nil {
		return nil, err
	}
	return &pushed{Source: s, world: w}, nil
}

// pushed is a source together with the client that pushes to it. It has caught up once the client's outbox is empty.
type pushed struct {
	*http.Source
	world *world
}

// inlet tells the client what was put: its next push may follow, though the one before is not durable.
type inlet struct {
	cdc.Inlet
	world   *world
	begun   chan struct{}
	numbers func()
}

func (in *inlet) CaughtUp(context.Context) error {
	close(in.begun)
	return nil
}

func (in *inlet) Put(ctx context.Context, b *cdc.Batch) error {
	n := len(b.Txns())
	if err := in.Inlet.Put(ctx, b); err != nil {
		return err
	}
	in.world.mu.Lock()
	defer in.world.mu.Unlock()
	in.world.handed += n
	in.world.tellLocked()
	return nil
}

func (p *pushed) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var work sync.WaitGroup
	in := &inlet{Inlet: out, world: p.world, begun: make(chan struct{})}
	once := start.Once
	start.Once = false
	p.world.mu.Lock()
	p.world.handed = 0
	p.world.mu.Unlock()
	var fault error
	work.Go(func() {
		defer stop()
		<-in.begun
		fault = p.push(running, out, once)
	})
	err := p.Source.Run(running, start, in)
	stop()
	work.Wait()
	return errors.Join(err, fault)
}

// push empties the outbox. Every element is a push of its own, sent once the one before was put.
func (p *pushed) push(ctx context.Context, out cdc.Inlet, once bool) error {
	w, told := p.world, false
	var requests sync.WaitGroup
	defer requests.Wait()
	client := &nethttp.Client{Transport: &nethttp.Transport{}}
	defer client.CloseIdleConnections()
	sent, acknowledged := 0, 0
	for {
		w.mu.Lock()
		changed, pending, ready := w.changed, len(w.outbox)-acknowledged, w.handed >= sent && sent < len(w.outbox)
		done := acknowledged
		w.mu.Unlock()
		if done == sent && pending == 0 && !told {
			told = true
			if err := out.CaughtUp(ctx); err != nil {
				return nil
			}
			if once {
				return p.settle(acknowledged)
			}
		}
		if ready {
			element := w.at(sent)
			sent++
			requests.Go(func() {
				if p.one(ctx, client, element) {
					w.mu.Lock()
					acknowledged++
					w.tellLocked()
					w.mu.Unlock()
				}
			})
			continue
		}
		select {
		case <-ctx.Done():
			requests.Wait()
			return p.settle(acknowledged)
		case <-changed:
		}
	}
}

func (w *world) at(i int) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outbox[i]
}

// settle takes out of the outbox what was acknowledged: pushes are acknowledged in order.
func (p *pushed) settle(acknowledged int) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.world.outbox = p.world.outbox[acknowledged:]
	return nil
}

// one pushes an element until it is acknowledged, or the source is gone.
func (p *pushed) one(ctx context.Context, client *nethttp.Client, element map[string]any) bool {
	body, err := json.Marshal(element)
	if err != nil {
		p.world.t.Error(err)
		return false
	}
	for ctx.Err() == nil {
		r, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, "http://"+p.Address()+"/", bytes.NewReader(body))
		if err != nil {
			return false
		}
		r.Header.Set("Content-Type", "application/json")
		reply, err := client.Do(r)
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		switch reply.StatusCode {
		case nethttp.StatusAccepted:
			return true
		case nethttp.StatusTooManyRequests, nethttp.StatusServiceUnavailable:
		default:
			p.world.t.Error(fmt.Errorf("%s: %s", reply.Status, text))
			return false
		}
	}
	return false
}

func TestPushesAreASource(t *testing.T) {
	cdctest.TestSource(t, func(t *testing.T) cdctest.Harness { return newWorld(t) })
}
