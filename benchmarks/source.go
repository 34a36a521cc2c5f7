package main

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/freshet/freshet/cdc"
)

// source is a stream.Source whose rows are made from their numbers while they are put.
type source struct {
	prose  prose
	script func(ctx context.Context, f *feed) error
}

// Collections implements stream.Source.
func (s *source) Collections(context.Context) ([]cdc.Collection, error) {
	return []cdc.Collection{{Schema: schema()}}, nil
}

// Run implements stream.Source.
func (s *source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	f := &feed{out: out, writer: writer{prose: s.prose}}
	if len(start.Resume) == 8 {
		f.position = binary.BigEndian.Uint64([]byte(start.Resume))
	}
	if err := s.script(ctx, f); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// feed is what a script puts rows with.
type feed struct {
	out      cdc.Inlet
	writer   writer
	position uint64
}

// txnRows is how many rows share a transaction, and a batch.
const txnRows = 512

// upserts puts documents, each once, in transactions of up to txnRows.
func (f *feed) upserts(ctx context.Context, documents iter.Seq[document]) error {
	return f.changes(ctx, cdc.Update, documents)
}

func (f *feed) changes(ctx context.Context, op cdc.Op, documents iter.Seq[document]) error {
	b := f.out.Batch()
	for d := range documents {
		f.writer.add(b, op, d)
		if b.Len() < txnRows {
			continue
		}
		if err := f.put(ctx, b); err != nil {
			return err
		}
		b = f.out.Batch()
	}
	if b.Len() == 0 {
		return nil
	}
	return f.put(ctx, b)
}

// put ends a transaction.
func (f *feed) put(ctx context.Context, b *cdc.Batch) error {
	f.position++
	b.Commit(cdc.Position(binary.BigEndian.AppendUint64(nil, f.position)), 0)
	return f.out.Put(ctx, b)
}

// ascending yields the documents 0 to n-1 in one version.
func ascending(n, title, body int) iter.Seq[document] {
	return func(yield func(document) bool) {
		for i := range n {
			if !yield(document{key: i, title: title, body: body, text: i, size: bodyBytes}) {
				return
			}
		}
	}
}

// scattered yields the same documents in an order without neighbours.
func scattered(n, title, body int) iter.Seq[document] {
	return func(yield func(document) bool) {
		for i := range n {
			k := scatter(i, n)
			if !yield(document{key: k, title: title, body: body, text: k, size: bodyBytes}) {
				return
			}
		}
	}
}

// scatter maps 0 to n-1 onto themselves: the step is a prime that does not divide n.
func scatter(i, n int) int {
	step := 7_368_787
	if n%step == 0 {
		step = 1_299_709
	}
	return int(uint64(i) * uint64(step) % uint64(n))
}
