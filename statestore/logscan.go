package statestore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A log of Pebble is cut into blocks of 32 KiB, each filled with chunks that do not cross its end:
//
//	checksum 4 | length 2 | type 1 | (write-ahead log: log number 4 | synced offset 8) | payload
//
// After a crash the end of a log may be torn, and Pebble stops reading at the first bad chunk. It
// takes that for the torn end unless a later block says that the bad place had been synced; inside
// one block, which is most of what a small state has, and in a MANIFEST it does not look. inspectLog
// does: a good chunk behind a bad one that could only have been written after the bad one was
// synced proves damage (I10).
const (
	logBlock        = 32 << 10
	legacyHeader    = 7
	syncedHeader    = legacyHeader + 4 + 8
	trailerHeader   = legacyHeader + 4
	legacyFull      = 1
	legacyFirst     = 2
	legacyLast      = 4
	recyclableFull  = 5
	recyclableLast  = 8
	syncedFull      = 9
	syncedLast      = 12
	checksumRotate  = 15
	checksumAddend  = 0xa282ead8
	checksummedFrom = 6
)

// logKind says how the chunks of a file are headed and what proves that an earlier byte was synced.
type logKind uint8

const (
	manifestLog   logKind = iota // one record per sync: any later record proves it
	writeAheadLog                // chunks carry the offset up to which the log was synced
)

// chunk is one good chunk at an offset of a log.
type chunk struct {
	kind   byte
	next   int    // offset after it
	number uint32 // log number, of a write-ahead log
	synced uint64 // offset up to which the log was synced before it was written
}

// inspectLog returns a [CorruptError] if the log at path is damaged in a way that no torn write
// explains.
func inspectLog(fs vfs.FS, path string, kind logKind, number uint32) error {
	data, err := readFile(fs, path)
	if err != nil {
		return fmt.Errorf("read log %s: %w", path, err)
	}
	if bad, proof := scanLog(data, kind, number); proof >= 0 {
		return &CorruptError{File: path, Err: fmt.Errorf(
			"unreadable at byte %d, though the record at byte %d shows that it had been written", bad, proof)}
	}
	return nil
}

// scanLog returns the offset of the first bad chunk and that of a chunk behind it which proves that
// it was once good, or -1 without one.
func scanLog(data []byte, kind logKind, number uint32) (bad, proof int) {
	table := crc32.MakeTable(crc32.Castagnoli)
	at := 0
	for at < len(data) {
		if rest := logBlock - at%logBlock; rest < headerOf(kind) && allZero(data[at:min(at+rest, len(data))]) {
			at += rest
			continue
		}
		c, ok := parseChunk(data, at, kind, table)
		if !ok {
			break
		}
		if kind == writeAheadLog && c.number != number {
			return at, -1 // the trailer of a clean end, or what a recycled file held before
		}
		at = c.next
	}
	if at >= len(data) {
		return len(data), -1
	}
	for p := at + 1; p+legacyHeader <= len(data); p++ {
		if data[p+checksummedFrom] == 0 {
			continue
		}
		c, ok := parseChunk(data, p, kind, table)
		if !ok {
			continue
		}
		if kind == manifestLog && (c.kind == legacyFull || c.kind == legacyFirst) ||
			kind == writeAheadLog && c.number == number && c.synced > uint64(at) {
			return at, p
		}
	}
	return at, -1
}

func headerOf(kind logKind) int {
	if kind == writeAheadLog {
		return syncedHeader
	}
	return legacyHeader
}

// parseChunk reads the chunk at an offset and reports whether it is whole and its checksum right.
func parseChunk(data []byte, at int, kind logKind, table *crc32.Table) (chunk, bool) {
	block := data[at:min(at-at%logBlock+logBlock, len(data))]
	if len(block) < legacyHeader {
		return chunk{}, false
	}
	c := chunk{kind: block[6]}
	header := legacyHeader
	switch {
	case kind == manifestLog && c.kind >= legacyFull && c.kind <= legacyLast:
	case kind == writeAheadLog && c.kind >= recyclableFull && c.kind <= recyclableLast:
		header = trailerHeader
	case kind == writeAheadLog && c.kind >= syncedFull && c.kind <= syncedLast:
		header = syncedHeader
	default:
		return chunk{}, false
	}
	end := header + int(binary.LittleEndian.Uint16(block[4:]))
	if end > len(block) {
		return chunk{}, false
	}
	sum := crc32.Checksum(block[checksummedFrom:end], table)
	sum = (sum>>checksumRotate | sum<<(32-checksumRotate)) + checksumAddend
	if sum != binary.LittleEndian.Uint32(block) {
		return chunk{}, false
	}
	if header >= trailerHeader {
		c.number = binary.LittleEndian.Uint32(block[legacyHeader:])
	}
	if header == syncedHeader {
		c.synced = binary.LittleEndian.Uint64(block[trailerHeader:])
	}
	c.next = at + end
	return c, true
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
