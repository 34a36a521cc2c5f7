package postgres

import (
	"bufio"
	"net"
	"time"
)

// Bounds of the pause that lets small pieces of the log come together.
const (
	funnelBuffer = 64 << 10         // at least: what one read of the socket may bring
	funnelFull   = funnelBuffer / 2 // a read that brought as much is followed by the next at once
	funnelPause  = time.Millisecond // between two reads; within it no server fills the socket's own buffer
	ladenChanges = 256              // of one transaction from which on it counts as large
)

// funnel is the connection under a replication stream, beneath its TLS. The server sends each message as soon as it is
// decoded, and a reader that is faster than it is woken for each: that costs several times what reading the message does.
// While more is certain to come, the reader therefore waits a moment before it looks again. One goroutine reads.
type funnel struct {
	net.Conn
	in    *bufio.Reader
	laden bool // more is certain to come
	last  int  // bytes that the last read has brought
}

func newFunnel(c net.Conn) *funnel {
	f := &funnel{Conn: c}
	f.in = bufio.NewReaderSize(socket{f}, funnelBuffer)
	return f
}

// Read implements net.Conn.
func (f *funnel) Read(p []byte) (int, error) { return f.in.Read(p) }

// socket is where the bytes of a funnel come from.
type socket struct{ *funnel }

func (s socket) Read(p []byte) (int, error) {
	// A sleep alone saves nothing: what arrives wakes the process all the same, unless the system is told to wait for more.
	if s.laden && s.last < funnelFull && wakeAt(s.Conn, funnelFull) {
		time.Sleep(funnelPause) // too short for an end of the run to wait for
		wakeAt(s.Conn, 1)
	}
	n, err := s.Conn.Read(p)
	s.last = n
	return n, err
}

// laden reports whether the next message is no one's to wait for: it belongs to a large transaction, or the log of
// before the start is being read. Otherwise it is taken as soon as it is there.
func (r *run) laden() bool {
	return r.place.lsn < r.target || r.spills.into != nil || r.txn.open && (r.txn.dirty || r.batch.Len()-r.txn.first >= ladenChanges)
}
