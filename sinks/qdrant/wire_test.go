package qdrant_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
	"github.com/freshet/freshet/stream"
)

// wire lies between a sink and its server, and can be cut.
type wire struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	left  int // bytes that come through to the server before everything is cut; below zero: all
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: strings.TrimPrefix(to, "http://"), left: -1}
	w.work.Go(w.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		w.cut()
		w.work.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		w.mu.Unlock()
		w.work.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
		w.work.Go(func() { w.forward(far, near); _ = far.Close() })
	}
}

// forward carries requests until the wire is cut in the middle of one.
func (w *wire) forward(far, near net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := near.Read(buffer)
		w.mu.Lock()
		if w.left >= 0 {
			n = min(n, w.left)
			w.left -= n
		}
		over := w.left == 0
		w.mu.Unlock()
		if _, failed := far.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
		if over {
			w.cut()
			return
		}
	}
}

// cut breaks every connection, and lets the next ones be whole.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns, w.left = nil, -1
}

// after cuts the wire once so many bytes have come through.
func (w *wire) after(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = bytes
}

// A connection that breaks at any byte of a range, before or after the server has it, is made again, and the range ends
// as if it had come once.
func TestABrokenConnectionLosesNothing(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	w := newWire(t, d.bed.server.URL())
	d.bed.options.URL = "http://" + w.listener.Addr().String()
	d.open()
	broken := 0
	for epoch := 1; epoch <= 30; epoch++ {
		var rows []row
		for id := range int64(60) {
			r := row{id: id, body: fmt.Sprintf("e%d", epoch)}
			if (id+int64(epoch))%4 == 0 {
				r.body = absent{}
			}
			rows = append(rows, r)
		}
		d.epoch = uint64(epoch)
		w.after(500 * epoch)
		for tries := 0; ; tries++ {
			err := d.writer.Apply(context.Background(), d.txn(d.epoch, rows...))
			if err == nil {
				break
			}
			broken++
			if tries > 10 || errors.Is(err, stream.ErrFenced) || errors.Is(err, stream.ErrLost) {
				t.Fatalf("epoch %d: %v", epoch, err)
			}
		}
		w.after(-1)
		if got := d.held(); len(got) != 45 || d.writer.(stream.Counter).Rows() != 45 || !strings.HasSuffix(got[0], fmt.Sprintf("|e%d", epoch)) {
			t.Fatalf("after epoch %d there are %d rows, %d are counted, the first is %s", epoch, len(got), d.writer.(stream.Counter).Rows(), got[0])
		}
	}
	if broken < 5 {
		t.Errorf("only %d writes were broken", broken)
	}
}

// I9: no request is larger than four times what a request shall be, whatever the range.
func TestRequestsAreBounded(t *testing.T) {
	server := qdranttest.Start(t, qdranttest.Options{RequestBytes: 4 << 20})
	b := reach(t, qdrant.Options{URL: server.URL(), Collection: "docs"})
	b.server = server
	d := &docs{t: t, bed: b, dims: 3, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
	t.Cleanup(d.close)
	d.open()
	large := strings.Repeat("x", 1<<20)
	var rows []row
	for id := range int64(20) {
		rows = append(rows, row{id: id, body: large})
	}
	d.apply(append(rows, many(100, 1500, "small")...)...)
	if n := d.writer.(stream.Counter).Rows(); n != 1420 {
		t.Errorf("%d rows are counted", n)
	}
	rows = nil
	for id := range int64(1500) {
		rows = append(rows, row{id: id, body: absent{}})
	}
	before := server.Calls("UpdateBatch")
	d.apply(rows...)
	if n := server.Calls("UpdateBatch") - before; n > 8 {
		t.Errorf("1,500 deletes take %d requests", n)
	}
	d.has("in the end")
}

// A small range is one question and one write.
func TestASmallRangeTakesTwoCalls(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 3, "x")...)
	gets, writes := d.bed.server.Calls("Get"), d.bed.server.Calls("UpdateBatch")
	d.apply(row{id: 0, body: "y"}, row{id: 1, body: absent{}}, row{id: 7, body: "y"})
	if g, w := d.bed.server.Calls("Get")-gets, d.bed.server.Calls("UpdateBatch")-writes; g != 1 || w != 1 {
		t.Errorf("it takes %d questions and %d writes", g, w)
	}
	d.has("afterwards", "0|y", "2|x 2", "7|y")
}

// Collections of two forms lie in one, each row found with its own columns.
func TestCollectionsOfTwoForms(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	columns := func(names ...string) stream.SinkCollection {
		var all []cdc.Column
		for _, name := range names {
			all = append(all, cdc.Column{Name: name, Type: cdc.Type{Kind: cdc.String}})
		}
		all = append(all, cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 1}})
		return stream.SinkCollection{Collection: stream.Collection{Schema: &cdc.Schema{Columns: all, Key: []int{0}}}, Key: all[:1], Hidden: 1}
	}
	d.target.Collections = []stream.SinkCollection{columns("page", "text"), columns("ticket")}
	d.target.Collections[0].Name, d.target.Collections[1].Name = "pages", "tickets"
	writer, err := d.bed.Sink().Open(t.Context(), d.target)
	if err != nil {
		t.Fatal(err)
	}
	d.writer = writer
	txn := &stream.Txn{Generation: writer.Progress().Generation, First: 1, Last: 1, Count: 2, Effects: func(yield func(stream.Effect, error) bool) {
		for i, texts := range [][]string{{"7", "a page"}, {"7"}} { // the same key in both
			var b cdc.RowBuilder
			for _, text := range texts {
				b.Text(text)
			}
			b.Vector([]float32{1})
			if !yield(stream.Effect{Collection: i, Key: cdc.StringKey("7"), Row: b.Build(), Version: writer.Progress().Generation<<40 | 1}, nil) {
				return
			}
		}
	}}
	if err := writer.Apply(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
	hits := d.search([]float32{1}, 5, nil)
	if len(hits) != 2 || hits[0].Collection+hits[1].Collection != 1 {
		t.Fatalf("it finds %v", hits)
	}
	for _, hit := range hits {
		if n := len(d.target.Collections[hit.Collection].Schema.Columns); hit.Row.Len() != n || hit.Row.At(0).Text() != "7" {
			t.Errorf("a row of %s has %d columns of %d", d.target.Collections[hit.Collection].Name, hit.Row.Len(), n)
		}
	}
}
