package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// look puts what stands at a path now, whatever was told of it.
func (r *run) look(ctx context.Context, rel string, how how) error {
	name := nameOf(rel)
	was, known, err := r.known.Note(name)
	if err != nil {
		return err
	}
	if !r.source.filter.keeps(rel) {
		return r.absent(ctx, name, known)
	}
	dir, base, err := r.places.parent(rel)
	if err != nil && !exhausted(err) && !errors.Is(err, errAbsent) {
		err = &blockedError{err: err}
	}
	if err == nil {
		err = r.file(ctx, dir, base, rel, was, known, how)
	}
	if blocked, ok := errors.AsType[*blockedError](err); ok {
		r.troubles.block(path.Dir(rel), blocked.err)
		return nil
	}
	if errors.Is(err, errAbsent) {
		return r.absent(ctx, name, known)
	}
	return err
}

// absent deletes the row of a name where it is known.
func (r *run) absent(ctx context.Context, name string, known bool) error {
	if !known {
		return nil
	}
	return r.delete(ctx, name)
}

// file puts the file at base of dir, unless its note fits. The error is errAbsent where there is no
// regular file.
func (r *run) file(ctx context.Context, dir *os.Root, base, rel string, was note, known bool, how how) error {
	seen, err := regular(dir, base)
	if err != nil {
		return err
	}
	if known && !how.rescan && was.fits(stampOf(seen), r.source.options.MaxSize) {
		return nil
	}
	var f reading
	if utf8.ValidString(rel) {
		if f, err = r.reader.read(ctx, dir, base); err != nil {
			return err
		}
	} else {
		f.reject(badName, "the name is not valid UTF-8")
	}
	if known && !how.rescan && was == f.note {
		return nil // read for nothing: it is still racy, or still cannot be read
	}
	return r.put(ctx, rel, &f, how)
}

// put adds the file as a transaction of its own.
func (r *run) put(ctx context.Context, rel string, f *reading, how how) error {
	name := nameOf(rel)
	batch, err := r.packer.Room(ctx, len(f.data))
	if err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	if how.replaces != "" {
		batch.Add(cdc.Change{Op: cdc.Delete, Key: keyOf(how.replaces), Time: now})
		if err := r.known.Gone(how.replaces); err != nil {
			return err
		}
	}
	r.note = f.note.append(r.note[:0])
	change := cdc.Change{Op: cdc.Update, Snapshot: how.snapshot, Key: keyOf(name), Note: r.note, Time: now}
	if f.cause != nil {
		change.Op = cdc.Reject
		change.Cause = &cdc.Cause{Code: f.cause.Code, Message: fmt.Sprintf("%s: %s", name, f.cause.Message)}
		batch.Add(change)
	} else {
		f.blob(rel).Build(&r.builder, r.columns)
		batch.AddBuilt(change, &r.builder)
		if len(f.data) > keepBuffer {
			r.builder = cdc.RowBuilder{} // let its memory go
		}
	}
	if err := r.known.Put(name, f.note); err != nil {
		return err
	}
	return r.packer.Commit(ctx, now)
}

// delete adds the end of a row as a transaction of its own.
func (r *run) delete(ctx context.Context, name string) error {
	batch, err := r.packer.Room(ctx, 0)
	if err != nil {
		return err
	}
	now := time.Now().UnixMicro()
	batch.Add(cdc.Change{Op: cdc.Delete, Key: keyOf(name), Time: now})
	if err := r.known.Gone(name); err != nil {
		return err
	}
	return r.packer.Commit(ctx, now)
}
