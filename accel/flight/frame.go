package flight

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

const (
	magic    = "FRW1"
	headSize = len(magic) + 4 + 8
	// metaMost and bodyMost bound what is read of a worker that has gone wrong, in bytes.
	metaMost = 1 << 20
	bodyMost = 1 << 30
	// noiseMost is how much a worker may write before its first frame, in bytes.
	noiseMost = 1 << 20
)

// appendFrame appends a message with at most one batch.
func appendFrame(dst []byte, meta any, record arrow.Record) ([]byte, error) {
	text, err := json.Marshal(meta)
	if err != nil {
		return dst, fmt.Errorf("write metadata: %w", err)
	}
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = append(dst, text...)
	if record == nil {
		return dst, nil
	}
	body := len(dst)
	b := bytes.NewBuffer(dst)
	w := ipc.NewWriter(b, ipc.WithSchema(record.Schema()))
	if err := w.Write(record); err != nil {
		return dst, fmt.Errorf("write batch: %w", err)
	}
	if err := w.Close(); err != nil {
		return dst, fmt.Errorf("write batch: %w", err)
	}
	dst = b.Bytes()
	binary.LittleEndian.PutUint64(dst[from+len(magic)+4:], uint64(len(dst)-body))
	return dst, nil
}

// readFrame reads the next message: its metadata and its body.
func readFrame(r io.Reader) (meta, body []byte, err error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, err
	}
	if string(head[:len(magic)]) != magic {
		return nil, nil, errors.New("what it wrote is no frame")
	}
	return readRest(r, head[len(magic):])
}

// readRest reads what follows the magic of a frame; lengths are its two lengths.
func readRest(r io.Reader, lengths []byte) (meta, body []byte, err error) {
	m, n := binary.LittleEndian.Uint32(lengths), binary.LittleEndian.Uint64(lengths[4:])
	if m > metaMost || n > bodyMost {
		return nil, nil, fmt.Errorf("a frame of %d and %d bytes is too large", m, n)
	}
	meta = make([]byte, m)
	if _, err := io.ReadFull(r, meta); err != nil {
		return nil, nil, torn(err)
	}
	// What is announced is not taken on trust: the room grows with what comes.
	var b bytes.Buffer
	b.Grow(int(min(n, 1<<20)))
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, nil, torn(err)
	}
	return meta, b.Bytes(), nil
}

func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readFirst reads the first message, behind whatever the program has printed before it became a worker.
func readFirst(r io.ByteReader, rest io.Reader) (meta []byte, noise string, err error) {
	var before []byte
	for len(before) < noiseMost {
		c, err := r.ReadByte()
		if err != nil {
			return nil, string(before), err
		}
		before = append(before, c)
		if !bytes.HasSuffix(before, []byte(magic)) {
			continue
		}
		lengths := make([]byte, headSize-len(magic))
		if _, err := io.ReadFull(rest, lengths); err != nil {
			return nil, "", torn(err)
		}
		meta, _, err = readRest(rest, lengths)
		return meta, string(before[:len(before)-len(magic)]), err
	}
	return nil, string(before[:256]), errors.New("it writes, and nothing of it is a frame")
}
