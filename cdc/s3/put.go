package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
)

// push has a look answered, as soon as there is room and no other of its key is under way.
func (r *run) push(ctx context.Context, l *look) error {
	for r.window.full() || r.window.holds(l.key) {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	if l.seen == nil { // nobody has looked up what is known, or it may have changed
		var err error
		if l.was, l.known, err = r.known.Note(l.key); err != nil {
			return err
		}
	}
	r.window.ask(ctx, &r.eye, l)
	return nil
}

// await settles one look.
func (r *run) await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case l := <-r.window.answered:
		return r.settle(ctx, l)
	}
}

// drain settles every look under way.
func (r *run) drain(ctx context.Context) error {
	for !r.window.empty() {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle puts what a look has found. It may wait for credit for long.
func (r *run) settle(ctx context.Context, l *look) (err error) {
	r.window.taken(l)
	switch l.verdict {
	case put, refused:
		r.read++
		err = r.put(ctx, l)
	case gone:
		if l.known {
			err = r.delete(ctx, l.key)
		}
	case blocked:
		err = r.block(l)
	case hopeless:
		err = l.err
	}
	r.eye.release(l)
	if l.parcel != nil {
		l.parcel.done(r.packer.Number())
	}
	return err
}

// maxDenied objects that cannot be read, and none that can, are a right that lacks on all.
const maxDenied = 100

// block tells of an object that cannot be looked at. What is known of it stays: a right that lacks is mended at the
// bucket, and is no word on the object (I6).
func (r *run) block(l *look) error {
	r.denied++
	others := ""
	if r.denied > 1 {
		others = fmt.Sprintf(" (and %d more)", r.denied-1)
	}
	err := fmt.Errorf("look at object %s%s: %w; what is known of it is kept", l.key, others, l.err)
	r.troubles.set(troubleBlocked, r.source.fault(err))
	if r.denied >= maxDenied && r.read == 0 {
		return fmt.Errorf("read objects: %w: %w", errDenied, l.err)
	}
	return nil
}

// put adds the object as a transaction of its own.
func (r *run) put(ctx context.Context, l *look) error {
	batch, err := r.packer.Room(ctx, len(l.data))
	if err != nil {
		return err
	}
	n := l.note()
	r.note = n.append(r.note[:0])
	now := time.Now().UnixMicro()
	if !l.snapshot && !l.object.modified.IsZero() {
		now = min(now, l.object.modified.UnixMicro()) // when it was put there
	}
	change := cdc.Change{Op: cdc.Update, Snapshot: l.snapshot, Key: cdc.StringKey(l.key), Note: r.note, Time: now}
	if l.cause != nil {
		change.Op, change.Cause = cdc.Reject, l.cause
		batch.Add(change)
	} else {
		b := blob.Blob{Path: l.key, Data: l.data, Head: l.head, Size: l.object.size, Modified: l.object.modified, ETag: l.object.etag, MediaType: l.object.mediaType}
		b.Build(&r.builder, r.columns)
		batch.AddBuilt(change, &r.builder)
		if len(l.data) > growsFrom {
			r.builder = cdc.RowBuilder{} // let its memory go
		}
	}
	if err := r.known.Put(l.key, n); err != nil {
		return err
	}
	return r.packer.Commit(ctx, now)
}

// delete adds the end of a row as a transaction of its own.
func (r *run) delete(ctx context.Context, key string) error {
	batch, err := r.packer.Room(ctx, 0)
	if err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	batch.Add(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey(key), Time: now})
	if err := r.known.Gone(key); err != nil {
		return err
	}
	return r.packer.Commit(ctx, now)
}
