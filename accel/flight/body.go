package flight

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// readBatch reads the batch of a body, in place; nil where there is none.
func readBatch(body []byte) (record arrow.Record, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	err = guarded(func() error {
		r, err := ipc.NewReaderFromMessageReader(&messages{rest: body}, ipc.WithAllocator(bounded{memory.DefaultAllocator}))
		if err != nil {
			return malformed("read batch: %v", err)
		}
		defer r.Release()
		if r.Next() {
			record = r.Record()
			record.Retain()
		}
		if r.Err() != nil {
			return malformed("read batch: %v", r.Err())
		}
		return nil
	})
	return record, err
}

// messages are those of an Arrow IPC stream that lies in memory. Arrow's own reader would take as much memory as
// a message says that it has.
type messages struct {
	rest    []byte
	message *ipc.Message
}

// Message implements ipc.MessageReader; a message is valid until the next one.
func (m *messages) Message() (*ipc.Message, error) {
	m.Release()
	const continuation = 0xffffffff
	if len(m.rest) < 8 || binary.LittleEndian.Uint32(m.rest) != continuation {
		return nil, io.EOF
	}
	size := uint64(binary.LittleEndian.Uint32(m.rest[4:]))
	m.rest = m.rest[8:]
	if size == 0 {
		return nil, io.EOF // the end of the stream
	}
	if size > uint64(len(m.rest)) {
		return nil, fmt.Errorf("a message says that it has %d bytes, and %d are there", size, len(m.rest))
	}
	meta := m.rest[:size:size]
	m.rest = m.rest[size:]
	if err := plausible(meta); err != nil {
		return nil, err
	}
	head := ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(nil))
	length := head.BodyLen()
	head.Release()
	if length < 0 || length > int64(len(m.rest)) {
		return nil, fmt.Errorf("a body says that it has %d bytes, and %d are there", length, len(m.rest))
	}
	m.message = ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(m.rest[:length:length]))
	m.rest = m.rest[length:]
	return m.message, nil
}

// Release implements ipc.MessageReader.
func (m *messages) Release() {
	if m.message != nil {
		m.message.Release()
		m.message = nil
	}
}

// Retain implements ipc.MessageReader. There is one reader.
func (m *messages) Retain() {}

// bounded refuses what no batch takes: the sizes of compressed columns are told by the worker.
type bounded struct{ memory.Allocator }

// Allocate implements memory.Allocator.
func (b bounded) Allocate(size int) []byte {
	if size < 0 || size > bodyMost {
		panic(fmt.Sprintf("%d bytes are too many for a column", size))
	}
	return b.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b bounded) Reallocate(size int, old []byte) []byte {
	if size < 0 || size > bodyMost {
		panic(fmt.Sprintf("%d bytes are too many for a column", size))
	}
	return b.Allocator.Reallocate(size, old)
}
