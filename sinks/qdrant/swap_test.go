package qdrant_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	client "github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/stream"
)

// swap is a sink during on_logic_change: swap: old serves vectors of 3 numbers, next is filled with vectors of 4.
type swap struct{ old, next *docs }

func newSwap(t *testing.T) *swap {
	t.Helper()
	s := &swap{old: newDocs(t, qdrant.Options{})}
	s.old.open()
	s.old.apply(many(0, 20, "old")...)
	s.next = &docs{t: t, bed: s.old.bed, dims: 4, target: s.old.target}
	s.next.target.Instance, s.next.target.Epoch, s.next.target.Beside = 17, 0, 16
	t.Cleanup(s.next.close)
	return s
}

// open opens both, in the engine's order.
func (s *swap) open(t *testing.T) {
	t.Helper()
	s.old.target.Beside = 17
	if p := s.next.open(); p.Wiped || p.Foreign || p.Epoch != s.next.epoch {
		t.Errorf("the new instance begins with %+v", p)
	}
	if p := s.old.open(); p.Wiped || p.Foreign || p.Epoch != s.old.epoch {
		t.Errorf("the old instance goes on with %+v", p)
	}
}

// end is what the engine does when the new instance is complete.
func (s *swap) end(t *testing.T) {
	t.Helper()
	s.old.close()
	target := s.old.target
	target.Beside = 0
	if err := s.old.bed.Sink().(stream.Dropper).Drop(t.Context(), target); err != nil {
		t.Fatalf("drop the old instance: %v", err)
	}
}

// Vectors of another length are filled beside those that serve, under live writes and searches of readers who know just
// the name: none fails, finds nothing, or finds a mixture.
func TestAnotherModelSwitchesInOneStep(t *testing.T) {
	s := newSwap(t)
	s.open(t)
	stop := make(chan struct{})
	var work sync.WaitGroup
	var reads atomic.Int64
	for range 2 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				reads.Add(1)
				if err := s.read(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range int64(10) {
		s.old.apply(row{id: i, body: fmt.Sprintf("old %d", i)})
		s.next.apply(many(2*i, 2*i+2, "new")...)
	}
	if got := s.old.alias("docs"); got != "docs--flow-sink-16" {
		t.Errorf("while it is filled the name stands for %s", got)
	}
	s.end(t)
	seen := reads.Load()
	for reads.Load() < seen+4 && !t.Failed() { // reads behind the switch, whatever the machine does
		s.next.apply(row{id: 3, body: "new 3"})
	}
	close(stop)
	work.Wait()
	if got := strings.Join(s.next.bed.made(), " "); got != "docs--flow-sink-17" || s.next.alias("docs") != got {
		t.Errorf("in the end there are %s, and the name stands for %s", got, s.next.alias("docs"))
	}
	s.next.target.Beside = 0
	if p := s.next.open(); p.Wiped || p.Epoch != s.next.epoch {
		t.Errorf("the next opening tells of %+v", p)
	}
	if got := s.next.held(); len(got) != 20 || got[0] != "0|new 0" {
		t.Errorf("it holds %v", got)
	}
}

// read searches as a reader does: by the name, with a vector of the old length or, where that fails, of the new.
func (s *swap) read() error {
	query := func(dims int) ([]*client.ScoredPoint, error) {
		found, err := s.old.bed.points.Query(context.Background(), &client.QueryPoints{CollectionName: "docs", Query: client.NewQueryDense(direction(5, dims)), Using: client.PtrOf("vector"),
			Limit: client.PtrOf(uint64(50)), WithPayload: client.NewWithPayload(true)})
		return found.GetResult(), err
	}
	found, err := query(3)
	if err != nil {
		if found, err = query(4); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	kinds := map[string]int{}
	for _, p := range found {
		word, _, _ := strings.Cut(p.GetPayload()["body"].GetStringValue(), " ")
		kinds[word]++
	}
	if len(kinds) != 1 || len(found) != 20 {
		return fmt.Errorf("a search finds %d rows: %v", len(found), kinds)
	}
	return nil
}

// A process that ends at any step of a swap is gone on with by the next.
func TestASwapThatBreaksOffIsGoneOnWith(t *testing.T) {
	for cut := 1; cut < 40; cut++ {
		s := newSwap(t)
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		s.old.bed.server.Before(func(string) {
			if calls++; calls == cut {
				cancel()
			}
		})
		s.next.target.Collections = []stream.SinkCollection{s.next.collection()}
		w, err := s.next.bed.Sink().Open(ctx, s.next.target)
		if err == nil {
			err = w.Close()
		}
		s.old.target.Beside = 17
		if err == nil && ctx.Err() == nil {
			target := s.old.target
			target.Beside = 0
			s.old.close()
			err = s.old.bed.Sink().(stream.Dropper).Drop(ctx, target)
		}
		s.old.bed.server.Before(nil)
		whole := ctx.Err() == nil
		cancel()
		if whole && err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		if n := len(s.next.all(t)); n != 20 && n != 0 || n == 0 && s.next.alias("docs") != "docs--flow-sink-17" {
			t.Fatalf("cut %d: the name stands for %s, with %d rows", cut, s.next.alias("docs"), n)
		}
		s.next.open()
		s.next.apply(many(0, 20, "new")...)
		s.end(t)
		if got := strings.Join(s.next.bed.made(), " "); got != "docs--flow-sink-17" || s.next.alias("docs") != got {
			t.Fatalf("cut %d: in the end there are %s, and the name stands for %s", cut, got, s.next.alias("docs"))
		}
		s.next.close()
		if whole {
			return
		}
	}
	t.Error("no swap has come to its end")
}

func (d *docs) all(t *testing.T) []*client.RetrievedPoint {
	t.Helper()
	points, err := d.bed.all("docs")
	if err != nil {
		t.Fatal(err)
	}
	var rows []*client.RetrievedPoint
	for _, p := range points {
		if len(p.GetVectors().GetVectors().GetVectors()) > 0 {
			rows = append(rows, p)
		}
	}
	return rows
}
