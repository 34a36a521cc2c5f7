package postgres

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// joined is the two ends of a connection over the loopback.
func joined(t *testing.T) (far net.Conn, near *funnel) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dialed.Close(), far.Close() })
	if err := dialed.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return far, newFunnel(dialed)
}

// A lone piece that is smaller than what the funnel waits for must not wait for more: the end of a transaction is one.
func TestALadenFunnelHoldsNothingBack(t *testing.T) {
	far, f := joined(t)
	f.laden = true
	answer := make([]byte, 64)
	for _, piece := range []string{"a", "bc", strings.Repeat("d", 64)} {
		if _, err := io.WriteString(far, piece); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(f, answer[:len(piece)])
		if err != nil || string(answer[:n]) != piece {
			t.Fatalf("of %q came %q: %v", piece, answer[:n], err)
		}
	}
}

func TestEverythingComesThroughAFunnelInOrder(t *testing.T) {
	far, f := joined(t)
	sent := strings.Repeat("0123456789abcdef", 1<<15)
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for from := 0; from < len(sent); from += 100 {
			if _, err := io.WriteString(far, sent[from:min(from+100, len(sent))]); err != nil {
				t.Error(err)
				return
			}
		}
	})
	got := make([]byte, len(sent))
	for at, n := 0, 0; at < len(got); at += n {
		f.laden = at%3 != 0
		var err error
		if n, err = f.Read(got[at:min(at+7000, len(got))]); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != sent {
		t.Error("what came is not what was sent")
	}
}

func TestOnlyWhereMoreIsCertainToComeIsItWaitedFor(t *testing.T) {
	r, _ := scripted(t)
	r.target = r.place.lsn
	for _, x := range []struct {
		name  string
		shape func()
		want  bool
	}{
		{"between transactions", func() {}, false},
		{"in a small transaction", func() { r.txn.open = true }, false},
		{"in a transaction that has handed over changes", func() { r.txn.dirty = true }, true},
		{"behind it", func() { r.txn = openTxn{} }, false},
		{"in a part of one that is streamed", func() { r.spills.begin(9) }, true},
		{"behind the part", func() { r.spills.into = nil }, false},
		{"before what stood in the log at the start", func() { r.target = r.place.lsn + 1 }, true},
	} {
		x.shape()
		if got := r.laden(); got != x.want {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}
