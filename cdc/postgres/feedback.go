package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

// feedback tells the server how far the flow is, from a goroutine of its own: whoever reads the stream may
// wait for credit as long as it takes, and the connection lives on (I9).
type feedback struct {
	conn     net.Conn
	waiting  *atomic.Int64 // of the wire: since when its reader waits for the server
	durable  func() LSN    // I1: what the server may forget
	told     chan struct{} // that durable has moved
	asked    chan struct{} // one place: that the server wants an answer
	received atomic.Uint64 // how far the stream was read
	hungry   atomic.Bool   // somebody waits for the server to say how far it is
	every    time.Duration
	liveness time.Duration

	mu   sync.Mutex // guards frame and writes
	sent LSN
}

// Pauses of the feedback.
const (
	confirmPause = 100 * time.Millisecond // between two words on what is durable
	hungerPause  = 50 * time.Millisecond  // between two questions how far the server is
	writeTime    = 30 * time.Second       // for one message to the server
)

// ask says that the server wants an answer.
func (f *feedback) ask() {
	select {
	case f.asked <- struct{}{}:
	default:
	}
}

// run sends until ctx ends, then once more, and closes the connection: its reader ends by that.
func (f *feedback) run(ctx context.Context) {
	defer f.conn.Close()
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	hunger := time.NewTicker(hungerPause)
	defer hunger.Stop()
	said := time.Now()
	for {
		question := false
		select {
		case <-ctx.Done():
			_ = f.send(false)
			_ = f.end()
			return
		case <-f.asked:
		case <-f.told:
			if idle.For(ctx, confirmPause-time.Since(said)) != nil {
				continue
			}
		case <-hunger.C:
			if !f.hungry.Load() {
				continue
			}
			question = true
		case now := <-tick.C:
			since := f.waiting.Load()
			question = since != 0 && now.Sub(time.Unix(0, since)) > f.every/2
			if since != 0 && now.Sub(time.Unix(0, since)) > f.liveness {
				return // the server is gone without a word
			}
		}
		if f.send(question) != nil {
			return
		}
		said = time.Now()
	}
}

// send tells what was received and what is durable. Flush is what the server may forget, so it is never
// left to a default.
func (f *feedback) send(question bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	durable := f.durable()
	received := max(f.received.Load(), uint64(durable))
	frame := make([]byte, 0, 39)
	frame = append(frame, 'd', 0, 0, 0, 38, 'r')
	frame = binary.BigEndian.AppendUint64(frame, received)
	frame = binary.BigEndian.AppendUint64(frame, uint64(durable))
	frame = binary.BigEndian.AppendUint64(frame, uint64(durable))
	frame = binary.BigEndian.AppendUint64(frame, uint64(time.Now().UnixMicro()-epochMicros))
	flag := byte(0)
	if question {
		flag = 1
	}
	frame = append(frame, flag)
	f.sent = durable
	return f.write(frame)
}

// end takes leave, so that the server frees the slot at once.
func (f *feedback) end() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write([]byte{'c', 0, 0, 0, 4, 'X', 0, 0, 0, 4})
}

func (f *feedback) write(frame []byte) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return fmt.Errorf("tell the server: %w", err)
	}
	if _, err := f.conn.Write(frame); err != nil {
		return fmt.Errorf("tell the server: %w", err)
	}
	return nil
}
