package statestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A log of Pebble is cut into blocks of 32 KiB, each filled with chunks that do not cross its end:
//
//	checksum 4 | length 2 | type 1 | (write-ahead log: log number 4 | (synced offset 8)) | payload
//
// After a crash the end of a log may be torn, and Pebble stops reading at the first bad chunk. It
// takes that for the torn end unless a chunk in a later block says that the bad place had been
// synced; inside one block, which is most of what a small state has, and in a MANIFEST it does not
// look, and the synced offsets that it writes fall behind with every block. inspectLog looks: a good
// record behind a bad one that could only have been written after the bad one was synced proves
// damage (I10). In a MANIFEST every record does, since each is synced before the next; in a
// write-ahead log every batch says what had been synced before it, see [Store.Commit].
const (
	logBlock         = 32 << 10
	legacyHeader     = 7
	recyclableHeader = legacyHeader + 4
	syncedHeader     = recyclableHeader + 8
	legacyFull       = 1
	recyclableFull   = 5
	syncedFull       = 9
	chunkKinds       = 4
	checksumRotate   = 15
	checksumAddend   = 0xa282ead8
	checksummedFrom  = 6
)

// logKind says how the chunks of a file are headed and what proves that an earlier byte was synced.
type logKind uint8

const (
	manifestLog logKind = iota
	writeAheadLog
)

// logFile is a log in memory.
type logFile struct {
	data   []byte
	kind   logKind
	number uint32 // of a write-ahead log: chunks of other numbers are what a recycled file held
	table  *crc32.Table
}

// chunk is one good chunk of a log.
type chunk struct {
	first, last bool   // of its record
	payload     []byte // aliases the log
	next        int    // offset after it
	number      uint32 // log number, of a write-ahead log
}

// inspectLog returns a [CorruptError] if the log at path is damaged in a way that no torn write
// explains.
func inspectLog(fs vfs.FS, path string, kind logKind, number uint32) error {
	data, err := readFile(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return &CorruptError{File: path, Err: errors.New("missing")}
	}
	if err != nil {
		return fmt.Errorf("read log %s: %w", path, err)
	}
	l := logFile{data: data, kind: kind, number: number, table: crc32.MakeTable(crc32.Castagnoli)}
	if bad, proof := l.scan(); proof >= 0 {
		return &CorruptError{File: path, Err: fmt.Errorf(
			"unreadable at byte %d, though the record at byte %d shows that it had been written", bad, proof)}
	}
	return nil
}

// scan returns the offset of the first bad chunk and that of a record behind it which proves that
// it was once good, or -1 without one.
func (l *logFile) scan() (bad, proof int) {
	bad, seq := l.goodPrefix()
	for at := bad + 1; at+legacyHeader <= len(l.data); at++ {
		if l.data[at+checksummedFrom] == 0 {
			continue
		}
		c, ok := l.chunk(at)
		if !ok || !c.first || c.number != l.number {
			continue
		}
		if l.kind == manifestLog {
			return bad, at
		}
		if record, ok := l.record(c); ok && syncedBefore(record) > seq {
			return bad, at
		}
	}
	return bad, -1
}

// goodPrefix returns the offset of the first bad chunk, or the length of the log, and the sequence
// number that a batch there has.
func (l *logFile) goodPrefix() (at int, seq uint64) {
	var head []byte // of the batch being read
	for at < len(l.data) {
		if skip := l.padding(at); skip > 0 {
			at += skip
			continue
		}
		c, ok := l.chunk(at)
		if !ok {
			return at, seq
		}
		if c.number != l.number {
			return len(l.data), seq // the trailer of a clean end, or what a recycled file held before
		}
		if c.first {
			head = head[:0]
		}
		head = append(head, c.payload[:min(len(c.payload), batchHead-len(head))]...)
		if c.last && len(head) == batchHead {
			seq = batchSeq(head) + uint64(binary.LittleEndian.Uint32(head[8:]))
		}
		at = c.next
	}
	return at, seq
}

// record returns all of the record that begins with chunk c.
func (l *logFile) record(c chunk) (record []byte, ok bool) {
	record = append(record, c.payload...)
	for !c.last {
		at := c.next + l.padding(c.next)
		if c, ok = l.chunk(at); !ok || c.first || c.number != l.number {
			return nil, false
		}
		record = append(record, c.payload...)
	}
	return record, true
}

// padding returns how many zeros end the block at an offset that leaves no room for a chunk.
func (l *logFile) padding(at int) int {
	rest := min(logBlock-at%logBlock, len(l.data)-at)
	if rest >= headerOf(l.kind) || !allZero(l.data[at:at+rest]) {
		return 0
	}
	return rest
}

func headerOf(kind logKind) int {
	if kind == writeAheadLog {
		return syncedHeader
	}
	return legacyHeader
}

// chunk reads the chunk at an offset and reports whether it is whole and its checksum right.
func (l *logFile) chunk(at int) (chunk, bool) {
	if at >= len(l.data) {
		return chunk{}, false
	}
	block := l.data[at:min(at-at%logBlock+logBlock, len(l.data))]
	if len(block) < legacyHeader {
		return chunk{}, false
	}
	kind, base, header := block[6], byte(0), legacyHeader
	switch {
	case l.kind == manifestLog && kind >= legacyFull && kind < legacyFull+chunkKinds:
		base = legacyFull
	case l.kind == writeAheadLog && kind >= recyclableFull && kind < recyclableFull+chunkKinds:
		base, header = recyclableFull, recyclableHeader
	case l.kind == writeAheadLog && kind >= syncedFull && kind < syncedFull+chunkKinds:
		base, header = syncedFull, syncedHeader
	default:
		return chunk{}, false
	}
	end := header + int(binary.LittleEndian.Uint16(block[4:]))
	if end > len(block) {
		return chunk{}, false
	}
	sum := crc32.Checksum(block[checksummedFrom:end], l.table)
	sum = (sum>>checksumRotate | sum<<(32-checksumRotate)) + checksumAddend
	if sum != binary.LittleEndian.Uint32(block) {
		return chunk{}, false
	}
	// The types are full, first, middle, last, in this order.
	c := chunk{first: kind-base < 2, last: (kind-base)%3 == 0, payload: block[header:end], next: at + end}
	if header >= recyclableHeader {
		c.number = binary.LittleEndian.Uint32(block[legacyHeader:])
	}
	return c, true
}

// A batch begins with its sequence number and the count of its writes, which take one number each.
const batchHead = 8 + 4

func batchSeq(head []byte) uint64 { return binary.LittleEndian.Uint64(head) }

// syncedBefore returns the sequence number below which everything had been synced when the batch was
// made, or zero if it does not say.
func syncedBefore(batch []byte) uint64 {
	if len(batch) < batchHead {
		return 0
	}
	var synced uint64
	r := batchrepr.Read(batch)
	for {
		kind, note, _, ok, err := r.Next()
		if err != nil || !ok {
			return synced
		}
		if kind == pebble.InternalKeyKindLogData && len(note) == syncedNote {
			synced = binary.LittleEndian.Uint64(note)
		}
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
