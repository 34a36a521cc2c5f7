package vector

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/stream"
)

func FuzzDecodeRecord(f *testing.F) {
	live := record{
		live: true, version: 7, row: encoded{codes: []byte{1, 2, 3, 4, 5, 6}, factor: 1.5, norm2: 2},
		terms: encodeTerms(nil, [][]byte{[]byte("lang\x00en"), []byte("a")}), payload: []byte("payload"),
	}
	f.Add(live.encode(nil), 6)
	f.Add((&record{version: 9}).encode(nil), 6)
	f.Add([]byte{kindLive}, 0)
	f.Fuzz(func(t *testing.T, b []byte, codeBytes int) {
		r, err := decodeRecord(b, codeBytes&0xff)
		if err != nil {
			return
		}
		again := r.encode(nil)
		if len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		// A number may have been written longer than need be; what it says is the same.
		s, err := decodeRecord(again, codeBytes&0xff)
		if err != nil || s.version != r.version || s.live != r.live || !bytes.Equal(s.payload, r.payload) || !bytes.Equal(s.row.codes, r.row.codes) {
			t.Fatalf("%+v became %+v, %v", r, s, err)
		}
		if len(again) != r.size() {
			t.Fatalf("size says %d, encode wrote %d", r.size(), len(again))
		}
	})
}

func FuzzDecodeProgress(f *testing.F) {
	f.Add(progress{generation: 1, epoch: 2, fence: 3, sequence: 4, logFrom: 5, graveFrom: 6, rows: 7, tombstones: 8, extra: []byte("x")}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeProgress(b)
		if err == nil && !bytes.Equal(p.encode(), b) {
			t.Fatalf("%x became %x", b, p.encode())
		}
		c, err := decodeConfig(b)
		if err == nil && !bytes.Equal(c.encode(), b) {
			t.Fatalf("%x became %x", b, c.encode())
		}
		for rest := b; len(rest) > 0; {
			key, after, err := cutKeyed(rest)
			if err != nil {
				break
			}
			if len(key)+len(after) >= len(rest) {
				t.Fatal("no progress")
			}
			rest = after
		}
		decodeTerms(b)
	})
}

// FuzzReadSnapshot gives the reader sections with right checksums and wrong contents: it must refuse them, or come
// to rows that searches can read, never panic.
func FuzzReadSnapshot(f *testing.F) {
	x := &Index{enc: newEncoder(3, stream.Cosine, kernel.Portable), conf: config{encoding: encodingVersion, dims: 3}, opts: Options{FS: vfs.NewMem()}}
	x.space = newSpace(x.enc)
	var group rowGroup
	b := newBlock(0, x.enc)
	b.put(0, x.enc, encoded{codes: []byte{255, 128, 1, 0x88, 8}, factor: 1, norm2: 1}, rowInfo{key: "k", version: 1}, firstEpoch)
	group.add(x, b, 0)
	head := binary.LittleEndian.AppendUint32([]byte(snapshotMagic), snapshotFormat)
	head = append(head, x.conf.encode()...)
	part := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, 0), 1)
	f.Add(uint64(1), uint32(1), part, group.appendTo(nil), uint64(1))
	f.Add(uint64(1), uint32(2), part, []byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, rows uint64, parts uint32, partition, group []byte, end uint64) {
		rows %= 1 << 12
		var file bytes.Buffer
		w := newSectionWriter(&file)
		h := binary.LittleEndian.AppendUint64(bytes.Clone(head), 1)
		w.section(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(h, rows), parts))
		w.section(bytes.Clone(partition))
		w.section(bytes.Clone(group))
		w.section(binary.LittleEndian.AppendUint64([]byte(snapshotEnd), end))
		if err := w.finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		out, err := x.restore(&sectionReader{r: &file, left: int64(file.Len())})
		if err == nil && uint64(out.space.rows) != rows {
			t.Fatalf("%d rows, the head says %d", out.space.rows, rows)
		}
	})
}
