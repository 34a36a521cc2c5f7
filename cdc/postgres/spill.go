package postgres

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spillBuffer is what a transaction that is under way holds in memory; the rest goes to a file (I9).
const spillBuffer = 256 << 10

// spills hold the transactions that the server sends before they have committed. Each change is kept with
// the subtransaction that made it, so that what is rolled back to a savepoint is left out at the commit.
type spills struct {
	dir   string
	open  map[uint32]*spill // by transaction
	into  *spill            // the one whose part is being sent; nil: none
	spare []byte
}

// spill is one transaction that is under way.
type spill struct {
	buffer  []byte
	file    *os.File        // nil while the buffer is enough; it has no name, so that a crash leaves nothing behind
	aborted map[uint32]bool // subtransactions
}

const spillHead = 4 + 4

// begin takes the next part of a transaction.
func (s *spills) begin(xid uint32) {
	x := s.open[xid]
	if x == nil {
		x = &spill{}
		if s.open == nil {
			s.open = map[uint32]*spill{}
		}
		s.open[xid] = x
	}
	s.into = x
}

// add keeps a change of the part.
func (s *spills) add(sub uint32, kind byte, body []byte) error {
	x := s.into
	x.buffer = binary.BigEndian.AppendUint32(x.buffer, sub)
	x.buffer = binary.BigEndian.AppendUint32(x.buffer, uint32(1+len(body)))
	x.buffer = append(append(x.buffer, kind), body...)
	if len(x.buffer) < spillBuffer {
		return nil
	}
	return s.write(x)
}

func (s *spills) write(x *spill) error {
	if x.file == nil {
		f, err := os.CreateTemp(s.dir, "freshet-transaction-")
		if err != nil {
			return fmt.Errorf("spill a transaction: %w", err)
		}
		x.file = f
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("spill a transaction: %w", err)
		}
	}
	if _, err := x.file.Write(x.buffer); err != nil {
		return fmt.Errorf("spill a transaction: %w", err)
	}
	x.buffer = x.buffer[:0]
	return nil
}

// abort leaves out a subtransaction, or the whole. One that is not known has sent nothing.
func (s *spills) abort(xid, sub uint32) error {
	x := s.open[xid]
	if x == nil {
		return nil
	}
	if xid == sub {
		return s.drop(xid)
	}
	if x.aborted == nil {
		x.aborted = map[uint32]bool{}
	}
	x.aborted[sub] = true
	return nil
}

// drop forgets a transaction.
func (s *spills) drop(xid uint32) error {
	x := s.open[xid]
	delete(s.open, xid)
	if x == nil || x.file == nil {
		return nil
	}
	return x.file.Close()
}

// reset forgets all of them: a new session is sent them from the beginning.
func (s *spills) reset() error {
	var faults []error
	for xid := range s.open {
		faults = append(faults, s.drop(xid))
	}
	s.into = nil
	return errors.Join(faults...)
}

// replay calls fn with the changes of a transaction that were not rolled back, in order. A body is valid
// during its call.
func (s *spills) replay(xid uint32, fn func(kind byte, body []byte) error) error {
	x := s.open[xid]
	if x == nil {
		return nil
	}
	var from io.Reader = bytes.NewReader(x.buffer)
	if x.file != nil {
		if err := s.write(x); err != nil {
			return err
		}
		if _, err := x.file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read a spilled transaction: %w", err)
		}
		from = bufio.NewReaderSize(x.file, spillBuffer)
	}
	var head [spillHead]byte
	for {
		if _, err := io.ReadFull(from, head[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a spilled transaction: %w", err)
		}
		size := int(binary.BigEndian.Uint32(head[4:]))
		if cap(s.spare) < size {
			s.spare = make([]byte, size)
		}
		body := s.spare[:size]
		if _, err := io.ReadFull(from, body); err != nil {
			return fmt.Errorf("read a spilled transaction: %w", err)
		}
		if x.aborted[binary.BigEndian.Uint32(head[:])] {
			continue
		}
		if err := fn(body[0], body[1:]); err != nil {
			return err
		}
	}
}

// streamed takes the messages about transactions that are sent before they commit, and what is sent within
// their parts. ok is false where a message is of another kind.
func (r *run) streamed(ctx context.Context, kind byte, c *cursor) (ok bool, err error) {
	switch kind {
	case msgStreamStart:
		r.spills.begin(c.u32())
	case msgStreamStop:
		r.spills.into = nil
	case msgStreamAbort:
		xid, sub := c.u32(), c.u32()
		if !c.bad {
			err = r.spills.abort(xid, sub)
		}
	case msgStreamCommit:
		xid := c.u32()
		c.u8()
		at, end, stamp := c.lsn(), c.lsn(), c.stamp()
		if !c.bad {
			err = r.endStreamed(ctx, openTxn{open: true, xid: xid, time: stamp, at: at}, end)
		}
	default:
		if r.spills.into == nil {
			return false, nil
		}
		sub := c.u32()
		switch {
		case c.bad, kind == msgType, kind == msgOrigin:
		default:
			err = r.spills.add(sub, kind, c.b)
		}
	}
	return true, errors.Join(c.fault(kind), err)
}

// endStreamed puts a transaction that was sent in parts, now that it has committed (I11).
func (r *run) endStreamed(ctx context.Context, txn openTxn, end LSN) error {
	r.overlaps.reset()
	r.txn = txn
	r.txn.first = r.batch.Len()
	err := r.spills.replay(txn.xid, func(kind byte, body []byte) error {
		if err := r.change(ctx, kind, &cursor{b: body}); err != nil {
			return err
		}
		if r.batch.Bytes() > batchBytes {
			return r.settle(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.spills.drop(txn.xid); err != nil {
		return fmt.Errorf("remove a spilled transaction: %w", err)
	}
	return r.end(ctx, end)
}
