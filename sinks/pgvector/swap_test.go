package pgvector_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// swap is a sink during on_logic_change: swap: old serves vectors of 3 numbers, next is filled with vectors of 4.
type swap struct {
	old, next *docs
}

func newSwap(t *testing.T) *swap {
	t.Helper()
	s := &swap{old: newDocs(t, 18, 3, pgvector.Options{})}
	s.old.open()
	s.old.apply(many(20, "old")...)
	s.next = &docs{t: t, bed: s.old.bed, dims: 4, target: s.old.target}
	s.next.target.Instance, s.next.target.Epoch, s.next.target.Beside = 17, 0, 16
	t.Cleanup(s.next.close)
	return s
}

// open opens both, in the engine's order.
func (s *swap) open(t *testing.T) {
	t.Helper()
	s.old.target.Beside = 17
	if p := s.next.open(); p.Wiped || p.Foreign {
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

func (s *swap) tables(t *testing.T) string {
	return s.old.bed.database.Text(t, "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
}

// Vectors of another length are filled beside those that serve, under live writes and queries; readers by SQL never
// find the table missing, empty or mixed.
func TestNewVectorsAreBuiltBesideTheOldOnes(t *testing.T) {
	s := newSwap(t)
	s.open(t)
	if got := s.tables(t); got != "docs docs__17 freshet_progress" {
		t.Errorf("the tables are %s", got)
	}
	var reading sync.WaitGroup
	var stop atomic.Bool
	var reads atomic.Int64
	reading.Go(func() {
		conn, err := pgx.Connect(t.Context(), s.old.bed.database.DSN())
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		for !stop.Load() {
			var seen string
			if err := conn.QueryRow(t.Context(), "SELECT count(*) || ' ' || count(DISTINCT vector_dims(vector)) FROM docs").Scan(&seen); err != nil || seen != "20 1" {
				t.Errorf("a reader sees %q (%v), want 20 rows of one length", seen, err)
				break
			}
			reads.Add(1)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s.next.apply(many(10, "new")...)
	s.old.apply(many(5, "old still")...)
	s.next.apply(many(20, "new")...)
	if hits := s.old.search(direction(1, 3), 20, nil); len(hits) != 20 {
		t.Errorf("the old instance finds %d rows while the new one is filled", len(hits))
	}
	for before := reads.Load(); reads.Load() < before+20 && !t.Failed(); {
		s.next.apply(row{id: 1, body: "live"})
	}
	s.end(t)
	if got := s.tables(t); got != "docs freshet_progress" {
		t.Errorf("after the swap the tables are %s", got)
	}
	for before := reads.Load(); reads.Load() < before+20 && !t.Failed(); {
		s.next.apply(row{id: 1, body: "after"})
	}
	stop.Store(true)
	reading.Wait()
	if got := s.old.bed.database.Text(t, "SELECT min(vector_dims(vector)), count(*), min(body) FROM docs"); got != "4|20|after" {
		t.Errorf("after the swap the table has %s", got)
	}
	if hits := s.next.search(direction(2, 4), 1, nil); len(hits) != 1 || hits[0].Row.At(0).Int64() != 2 {
		t.Errorf("after the swap a search finds %v", hits)
	}
	s.next.target.Beside = 0
	if p := s.next.open(); p.Epoch != s.next.epoch || p.Wiped || p.Foreign {
		t.Errorf("after a restart the progress is %+v, want epoch %d", p, s.next.epoch)
	}
}

// A swap goes on wherever it was cut short.
func TestASwapThatIsCutShortGoesOn(t *testing.T) {
	t.Run("while the new instance is filled", func(t *testing.T) {
		s := newSwap(t)
		s.open(t)
		s.next.apply(many(7, "new")...)
		s.next.close()
		s.old.close()
		s.open2(t, 7)
		s.end(t)
		s.next.apply(many(20, "new")...)
		s.next.has("in the end", lines(20, "new")...)
	})
	t.Run("before the old instance was dropped", func(t *testing.T) {
		s := newSwap(t)
		s.open(t)
		s.next.apply(many(20, "new")...)
		s.old.close()
		s.next.target.Beside = 0
		if p := s.next.open(); p.Wiped || p.Foreign || p.Epoch != s.next.epoch {
			t.Errorf("the new instance alone has the progress %+v", p)
		}
		if got := s.tables(t); got != "docs freshet_progress" {
			t.Errorf("the tables are %s", got)
		}
		s.next.has("alone", lines(20, "new")...)
	})
	t.Run("given up: the flow goes back to the old vectors", func(t *testing.T) {
		s := newSwap(t)
		s.open(t)
		s.next.apply(many(7, "new")...)
		s.next.close()
		s.old.target.Beside = 0
		if p := s.old.open(); p.Wiped || p.Foreign || p.Epoch != s.old.epoch {
			t.Errorf("the old instance alone has the progress %+v", p)
		}
		if got := s.tables(t); got != "docs freshet_progress" {
			t.Errorf("the tables are %s", got)
		}
		s.old.has("alone", lines(20, "old")...)
	})
	t.Run("in place: other vectors take the table over at once", func(t *testing.T) {
		s := newSwap(t)
		s.old.close()
		s.next.target.Beside = 0
		if p := s.next.open(); p.Wiped || p.Foreign {
			t.Errorf("the new instance begins with %+v", p)
		}
		s.next.has("at first")
		s.next.apply(many(3, "new")...)
		s.next.has("in the end", lines(3, "new")...)
	})
}

// open2 opens both again after some rows of the new instance are there.
func (s *swap) open2(t *testing.T, rows int) {
	t.Helper()
	if p := s.next.open(); p.Wiped || p.Foreign || p.Epoch != s.next.epoch {
		t.Errorf("the new instance goes on with %+v, want epoch %d", p, s.next.epoch)
	}
	if p := s.old.open(); p.Wiped || p.Foreign || p.Epoch != s.old.epoch {
		t.Errorf("the old instance goes on with %+v", p)
	}
	if got := s.old.bed.database.Text(t, "SELECT count(*) FROM docs__17"); got != fmt.Sprint(rows) {
		t.Errorf("the new instance has %s rows, want %d", got, rows)
	}
}

func lines(n int, body string) []string {
	var all []string
	for _, r := range many(n, body) {
		all = append(all, fmt.Sprintf("%d|%s", r.id, r.body))
	}
	return all
}

// A table that a view reads is not dropped under it: it is emptied, and what is in the way is named.
func TestAViewOverTheTableIsNamed(t *testing.T) {
	s := newSwap(t)
	s.open(t)
	s.next.apply(many(20, "new")...)
	s.old.bed.database.Exec(t, "CREATE VIEW reading AS SELECT id FROM docs")
	s.old.close()
	target := s.old.target
	target.Beside = 0
	err := s.old.bed.Sink().(stream.Dropper).Drop(t.Context(), target)
	if err == nil || !strings.Contains(err.Error(), "docs__17") {
		t.Errorf("the drop under a view ends with %v", err)
	}
	s.old.has("after the drop was refused", lines(20, "old")...)
}
