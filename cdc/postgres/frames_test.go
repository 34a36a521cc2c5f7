package postgres

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

// frames write messages as a server does.
type frames struct{ b []byte }

func (f frames) u8(x byte) frames    { return frames{append(f.b, x)} }
func (f frames) u16(x uint16) frames { return frames{binary.BigEndian.AppendUint16(f.b, x)} }
func (f frames) u32(x uint32) frames { return frames{binary.BigEndian.AppendUint32(f.b, x)} }
func (f frames) u64(x uint64) frames { return frames{binary.BigEndian.AppendUint64(f.b, x)} }
func (f frames) text(x string) frames {
	return frames{append(append(f.b, x...), 0)}
}

func wal(at uint64, kind byte) frames {
	return frames{}.u8('w').u64(at).u64(at).u64(0).u8(kind)
}

func keepaliveAt(end uint64, reply byte) []byte { return frames{}.u8('k').u64(end).u64(0).u8(reply).b }

// scripted is a run over a table of one integer key, without a server.
func scripted(t *testing.T) (*run, *cdctest.Inlet) {
	t.Helper()
	s, err := New(Options{DSN: "postgres://localhost/x", Slot: "s", Publication: "p", SpillDir: t.TempDir(), Tables: []TableOptions{{Table: "docs"}}})
	if err != nil {
		t.Fatal(err)
	}
	in := cdctest.NewInlet()
	r, err := s.newRun(cdc.Start{}, in)
	if err != nil {
		t.Fatal(err)
	}
	id := column{name: "id", declared: oidInt4, modifier: -1, codec: codecInt4, notNull: true}
	r.place = place{lsn: 100, system: 1, timeline: 1}
	r.putAt = 100
	r.adoptForTest(&table{oid: 7, schema: "public", name: "docs", columns: []column{id}, key: []int{0}})
	r.feedback = &feedback{asked: make(chan struct{}, 1)}
	r.target = 1 << 40
	return r, in
}

func (r *run) adoptForTest(t *table) {
	r.tables, r.carried, r.byOID, r.bindings = []*table{t}, [][]int{{0}}, map[uint32]int{t.oid: 0}, map[uint32]*binding{}
	r.facts = &facts{}
}

func (r *run) play(t *testing.T, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if err := r.copyData(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func beginAt(final uint64, xid uint32) []byte { return wal(final, 'B').u64(final).u64(0).u32(xid).b }

func describe(xid ...uint32) []byte {
	f := wal(0, 'R')
	for _, x := range xid {
		f = f.u32(x)
	}
	return f.u32(7).text("public").text("docs").u8('d').u16(1).u8(1).text("id").u32(oidInt4).u32(1<<32 - 1).b
}

func insertOf(id uint32, xid ...uint32) []byte {
	f := wal(0, 'I')
	for _, x := range xid {
		f = f.u32(x)
	}
	return f.u32(7).u8('N').u16(1).u8('b').u32(4).u32(id).b
}

func commitAt(commit, end uint64) []byte { return wal(end, 'C').u8(0).u64(commit).u64(end).u64(0).b }

func keysOf(in *cdctest.Inlet) (keys string) {
	for _, p := range in.Puts() {
		if p.Position != "" {
			keys += p.Key.Text() + " "
		}
	}
	return keys
}

func TestAnOutageIsLoggedOnceAndItsEnd(t *testing.T) {
	r, _ := scripted(t)
	var log strings.Builder
	r.source.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
	refused := errors.New("connection refused")
	for _, x := range []struct {
		name  string
		step  func()
		lines int // more
	}{
		{"nothing was lost", r.logReturn, 0},
		{"an outage", func() { r.logLoss(refused, leastPause) }, 1},
		{"it lasts", func() { r.logLoss(refused, mostPause) }, 0},
		{"another cause", func() { r.logLoss(errors.New("the server starts up"), mostPause) }, 1},
		{"its end", r.logReturn, 1},
		{"it was told", r.logReturn, 0},
		{"the same outage again", func() { r.logLoss(refused, leastPause) }, 1},
	} {
		before := strings.Count(log.String(), "\n")
		x.step()
		if got := strings.Count(log.String(), "\n") - before; got != x.lines {
			t.Errorf("%s: %d lines, want %d:\n%s", x.name, got, x.lines, log.String())
		}
	}
}

// TestKeepalivesMoveThePlaceOnlyBetweenTransactions proves case 7 (I1): what the server has sent beyond the
// transaction under way says nothing about it.
func TestKeepalivesMoveThePlaceOnlyBetweenTransactions(t *testing.T) {
	r, in := scripted(t)
	at := func() LSN { return r.place.lsn }
	r.play(t, beginAt(500, 9), describe(), insertOf(1), keepaliveAt(9000, 0))
	if at() != 100 || in.Position() != "" {
		t.Errorf("inside a transaction the place moved to %d", at())
	}
	r.play(t, commitAt(500, 520))
	if at() != 520 || keysOf(in) != "1 " {
		t.Errorf("behind the commit the place is %d, the keys are %q", at(), keysOf(in))
	}
	r.play(t, wal(600, 'S').u32(11).u8(1).b, describe(12), insertOf(2, 12), keepaliveAt(9000, 1))
	if at() != 520 {
		t.Errorf("inside a part of a transaction the place moved to %d", at())
	}
	select {
	case <-r.feedback.asked:
	default:
		t.Error("the server's question is not answered")
	}
	r.play(t, wal(650, 'E').b)
	r.putTime = time.Time{}
	r.play(t, keepaliveAt(700, 0))
	if at() != 700 || in.Position() < bare(700) {
		t.Errorf("between transactions the place is %d, durable %x", at(), in.Position())
	}
	r.play(t, keepaliveAt(300, 0))
	if at() != 700 {
		t.Errorf("the place went back to %d", at())
	}
}

// TestPartsOfTransactionsAreKeptUntilTheyCommit replays what one server version does not send: aborts of what
// was never begun, of a part of a part, commits of what sent nothing.
func TestPartsOfTransactionsAreKeptUntilTheyCommit(t *testing.T) {
	r, in := scripted(t)
	part := func(xid uint32, first byte, changes ...[]byte) {
		r.play(t, wal(0, 'S').u32(xid).u8(first).b)
		r.play(t, changes...)
		r.play(t, wal(0, 'E').b)
	}
	abort := func(xid, sub uint32) { r.play(t, wal(0, 'A').u32(xid).u32(sub).b) }
	commit := func(xid uint32, at uint64) { r.play(t, wal(at, 'c').u32(xid).u8(0).u64(at).u64(at+20).u64(0).b) }
	abort(99, 99)
	abort(99, 98)
	part(10, 1, describe(10), insertOf(1, 10), insertOf(2, 11), insertOf(3, 12))
	part(20, 1, describe(20), insertOf(4, 20))
	abort(10, 11)
	part(10, 0, insertOf(5, 13), insertOf(6, 10))
	r.play(t, beginAt(300, 30), describe(), insertOf(7), commitAt(300, 320))
	abort(10, 13)
	abort(20, 20)
	commit(10, 400)
	commit(77, 500)
	if got := keysOf(in); got != "7 1 3 6 " || r.place.lsn != 520 {
		t.Errorf("keys %q at %d", got, r.place.lsn)
	}
	if len(r.spills.open) != 0 {
		t.Errorf("%d transactions are kept", len(r.spills.open))
	}
}

// TestDamagedMessagesEndTheRun cuts every message at every place.
func TestDamagedMessagesEndTheRun(t *testing.T) {
	for _, m := range [][]byte{beginAt(1, 2), describe(), insertOf(1), commitAt(1, 2), wal(0, 'S').u32(1).u8(1).b, wal(0, 'A').u32(1).u32(2).b} {
		for n := range len(m) {
			r, _ := scripted(t)
			if m[walHead] == 'I' {
				r.play(t, beginAt(500, 9), describe())
			}
			if m[walHead] == 'S' && n == len(m)-1 {
				continue // whether it is the first part is not looked at
			}
			if err := r.copyData(t.Context(), m[:n]); err == nil {
				t.Errorf("%q cut at %d is taken", m[walHead], n)
			}
		}
	}
}

// TestTheServerIsToldWhatIsDurable proves I1 on the wire: flush is what was confirmed, whatever was received.
func TestTheServerIsToldWhatIsDurable(t *testing.T) {
	here, there := net.Pipe()
	f := &feedback{conn: here, durable: func() LSN { return 70 }, told: make(chan struct{}, 1), asked: make(chan struct{}, 1), every: time.Hour, liveness: time.Hour}
	f.received.Store(900)
	var sender sync.WaitGroup
	sender.Go(func() {
		if err := f.send(true); err != nil {
			t.Error(err)
		}
	})
	frame := make([]byte, 39)
	if _, err := io.ReadFull(there, frame); err != nil {
		t.Fatal(err)
	}
	sender.Wait()
	c := cursor{b: frame[6:]}
	if frame[0] != 'd' || frame[5] != 'r' || binary.BigEndian.Uint32(frame[1:]) != 38 {
		t.Errorf("head %q", frame[:6])
	}
	if write, flush, apply := c.lsn(), c.lsn(), c.lsn(); write != 900 || flush != 70 || apply != 70 {
		t.Errorf("write %d, flush %d, apply %d", write, flush, apply)
	}
	c.u64()
	if c.u8() != 1 {
		t.Error("no answer is asked for")
	}
	_ = here.Close()
	_ = there.Close()
}
