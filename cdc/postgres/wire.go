package postgres

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Sizes of what is read from a replication connection.
const (
	wireBuffer = 256 << 10
	frameHead  = 5
	frameMax   = 1 << 30 // the server's own bound of a message
)

// wire is a replication connection. While commands are sent it hands out at most one message of the server
// for each Read, so that whoever parses them reads nothing ahead; once the stream has begun, frame reads
// the messages themselves. One goroutine reads; writes come from another.
type wire struct {
	net.Conn // writes go to it
	in       *bufio.Reader
	funnel   *funnel
	left     int    // bytes of the present message that Read has not given yet
	gone     int    // bytes to be dropped before the next frame
	big      []byte // a frame that is larger than the buffer

	waiting atomic.Int64 // since when frame waits for the server, in nanoseconds since 1970; 0: it does not
}

func newWire(from io.Reader) *wire {
	return &wire{in: bufio.NewReaderSize(from, wireBuffer)}
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.left == 0 {
		head, err := w.in.Peek(frameHead)
		if err != nil {
			return 0, err
		}
		w.left = 1 + int(binary.BigEndian.Uint32(head[1:]))
	}
	n, err := w.in.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

var errFrame = errors.New("a message of the server is malformed")

// frame reads the next message. The body is valid until the next call.
func (w *wire) frame() (kind byte, body []byte, err error) {
	if _, err := w.in.Discard(w.gone); err != nil {
		return 0, nil, err
	}
	w.gone = 0
	if w.in.Buffered() < frameHead {
		w.waiting.Store(time.Now().UnixNano())
		defer w.waiting.Store(0)
	}
	head, err := w.in.Peek(frameHead)
	if err != nil {
		return 0, nil, err
	}
	kind = head[0]
	size := int(binary.BigEndian.Uint32(head[1:])) - 4
	if size < 0 || size > frameMax {
		return 0, nil, fmt.Errorf("%w: %q says that it has %d bytes", errFrame, kind, size)
	}
	if frameHead+size <= wireBuffer {
		whole, err := w.in.Peek(frameHead + size)
		if err != nil {
			return 0, nil, err
		}
		w.gone, w.big = frameHead+size, nil
		return kind, whole[frameHead:], nil
	}
	if _, err := w.in.Discard(frameHead); err != nil {
		return 0, nil, err
	}
	if cap(w.big) < size {
		w.big = make([]byte, size)
	}
	w.big = w.big[:size]
	_, err = io.ReadFull(w.in, w.big)
	return kind, w.big, err
}

// ready reports whether the next frame begins among the bytes that have arrived.
func (w *wire) ready() bool { return w.in.Buffered() >= w.gone+frameHead }
