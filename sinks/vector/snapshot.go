package vector

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// A codes snapshot is a file from which an open fills memory many times faster than from the truth. It is only ever
// a copy: one that is missing, damaged, of another format or of another index is ignored and replaced. It is a
// sequence of sections, each of 4 bytes length, 8 bytes xxh3 of what follows, and a body:
//
//	head       magic, format, configuration, sequence, rows, number of partitions
//	partition  rows at training, number of lists, centroids, their factors and squared lengths; once per partition
//	rows       partition, list, number, then codes, nibbles, factors, norms, versions, keys and terms, up to a
//	           block of rows; as many as there are
//	end        the word "end" and the number of rows
const (
	snapshotName   = "codes.snapshot"
	snapshotMagic  = "freshet codes\n"
	snapshotFormat = 1
	sectionHead    = 12
	sectionMax     = 1 << 28
	snapshotEnd    = "end"
)

// How many changed rows make a codes snapshot worth writing, at least; beyond that it is a share of all rows.
const (
	tailAtClose = 2_000
	tailRunning = 50_000
)

// snapshotDue reports whether an open now would have to read many rows from the truth; the caller holds writer.
func (x *Index) snapshotDue(least uint64) bool {
	share := uint64(x.space.rows) / 20
	if least == tailRunning {
		share *= 5
	}
	return x.changed >= max(least, share)
}

// saveSnapshot writes the snapshot and cuts the log that it makes superfluous; the caller holds writer.
func (x *Index) saveSnapshot(ctx context.Context) error {
	v := x.view(false)
	defer v.forget()
	changed := x.changed
	if err := x.writeSnapshot(ctx, v); err != nil {
		return fmt.Errorf("write codes snapshot: %w", err)
	}
	return x.cutLog(v.state.progress.sequence, changed)
}

// cutLog removes the log up to a sequence that a snapshot holds; the caller holds writer.
func (x *Index) cutLog(sequence, changed uint64) error {
	p := x.progress
	p.logFrom = sequence + 1
	b := x.store.NewBatch()
	b.Put(progressKey, p.encode())
	b.DeleteRange(sequenceKey(logTable, 0), sequenceKey(logTable, sequence+1))
	if err := x.store.Commit(b, true); err != nil {
		x.failed = err
		return fmt.Errorf("cut log of vector index: %w", err)
	}
	x.progress = p
	x.changed -= changed
	x.saved = sequence
	return nil
}

// writeSnapshot writes the rows of a view, first under another name: a snapshot is whole or not there.
func (x *Index) writeSnapshot(ctx context.Context, v *View) (err error) {
	fs, path := x.opts.FS, x.opts.FS.PathJoin(x.dir, snapshotName)
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := newSectionWriter(f)
	x.writeRows(ctx, w, v)
	if err := w.finish(ctx); err != nil {
		return closeAfter(f, err)
	}
	if err := f.Sync(); err != nil {
		return closeAfter(f, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fs.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(fs, x.dir)
}

// closeAfter closes f and returns err, or what closing returned.
func closeAfter(f io.Closer, err error) error {
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (x *Index) writeRows(ctx context.Context, w *sectionWriter, v *View) {
	st := v.state
	b := append(w.buf[:0], snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, snapshotFormat)
	b = append(b, x.conf.encode()...)
	b = binary.LittleEndian.AppendUint64(b, st.progress.sequence)
	b = binary.LittleEndian.AppendUint64(b, uint64(st.rows))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(st.layout.parts)))
	w.section(b)
	for _, p := range st.layout.parts {
		b = binary.LittleEndian.AppendUint64(w.buf[:0], uint64(p.trained))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.lists)))
		b = append(b, p.centroids...)
		b = appendFloats(b, p.factor)
		w.section(appendFloats(b, p.norm2))
	}
	for part, p := range st.layout.parts {
		for number, l := range p.lists {
			g := rowGroup{part: uint32(part), list: uint32(number)}
			for _, b := range l.all() {
				for mask := b.visible(st.epoch); mask != 0; mask &= mask - 1 {
					g.add(x, b, bits.TrailingZeros64(mask))
					if g.n == blockRows {
						w.section(g.appendTo(w.buf[:0]))
						g.reset()
					}
				}
				if ctx.Err() != nil {
					return
				}
			}
			if g.n > 0 {
				w.section(g.appendTo(w.buf[:0]))
			}
		}
	}
	w.section(binary.LittleEndian.AppendUint64(append(w.buf[:0], snapshotEnd...), uint64(st.rows)))
}

// rowGroup is the rows of one section, column by column.
type rowGroup struct {
	part, list, n                        uint32
	codes, fine, factor, norm2, versions []byte
	keys, terms                          []byte
}

func (g *rowGroup) reset() {
	g.n = 0
	for _, column := range []*[]byte{&g.codes, &g.fine, &g.factor, &g.norm2, &g.versions, &g.keys, &g.terms} {
		*column = (*column)[:0]
	}
}

func (g *rowGroup) add(x *Index, b *block, i int) {
	e, row := x.enc, &b.rows[i]
	g.n++
	g.codes = append(g.codes, b.codes[i*e.stride:][:e.dims]...)
	g.fine = append(g.fine, b.fine[i*e.fineBytes():][:e.fineBytes()]...)
	g.factor = appendFloats(g.factor, b.factor[i:i+1])
	g.norm2 = appendFloats(g.norm2, b.norm2[i:i+1])
	g.versions = binary.LittleEndian.AppendUint64(g.versions, row.version)
	g.keys = appendKeyed(g.keys, row.key)
	g.terms = appendKeyed(g.terms, x.space.terms.encoding(row.terms))
}

func (g *rowGroup) appendTo(b []byte) []byte {
	for _, n := range []uint32{g.part, g.list, g.n} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, column := range [][]byte{g.codes, g.fine, g.factor, g.norm2, g.versions, g.keys, g.terms} {
		b = append(b, column...)
	}
	return b
}

func appendFloats(b []byte, list []float32) []byte {
	for _, f := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// sectionWriter frames sections; the first error sticks.
type sectionWriter struct {
	w   *bufio.Writer
	buf []byte // kept for the next section
	err error
}

func newSectionWriter(w io.Writer) *sectionWriter {
	return &sectionWriter{w: bufio.NewWriterSize(w, 1<<20)}
}

func (w *sectionWriter) section(body []byte) {
	if w.err != nil {
		return
	}
	var head [sectionHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(body)))
	binary.LittleEndian.PutUint64(head[4:], xxh3.Hash(body))
	if _, w.err = w.w.Write(head[:]); w.err == nil {
		_, w.err = w.w.Write(body)
	}
	w.buf = body[:0]
}

func (w *sectionWriter) finish(ctx context.Context) error {
	if w.err == nil {
		w.err = ctx.Err()
	}
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}
