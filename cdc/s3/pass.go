package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
)

// pass compares a listing of the bucket with what is known: a merge of two sequences in byte order of the keys, of
// which a page each is in memory (I9).
type pass struct {
	run    *run
	how    how
	number uint64

	cursor *blob.Cursor[note]
	after  string // the last key that was listed
	known  int    // known keys below the prefix
	gone   int    // those of them that were not listed

	// Keys that are known and were not listed. The bucket is asked for each before it goes, after the guard has
	// seen how many there are.
	lost      []string
	lostBytes int
	more      string // the first one that lost had no room for …
	moreAfter string // … and the key that was listed before it
	removing  bool   // the guard has let the pass go on: lost keys go at once
}

// how objects are put.
type how struct {
	snapshot bool // as part of the first copy
	again    bool // also those whose note fits
}

// maxLost bounds the memory of lost keys, in bytes; further ones are found by listing from there on once more.
const maxLost = 1 << 20

// compare makes a pass over the whole bucket. A listing that breaks off deletes nothing.
func (r *run) compare(ctx context.Context, how how) error {
	p := &pass{run: r, how: how, number: r.known.BeginPass(), cursor: r.known.Cursor("")}
	r.read, r.denied = 0, 0
	if err := p.merge(ctx); err != nil {
		return err
	}
	if err := p.guard(); err != nil {
		return err
	}
	r.troubles.set(troubleGuard, nil)
	if err := p.remove(ctx); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return p.end()
}

// end sees whether everything could be looked at.
func (p *pass) end() error {
	r := p.run
	if r.denied == 0 {
		r.troubles.set(troubleBlocked, nil)
		return nil
	}
	if p.how.again || r.start.Once {
		return fmt.Errorf("read all objects: %d of them: %w", r.denied, errDenied)
	}
	return nil
}

// merge goes through the listing and what is known side by side.
func (p *pass) merge(ctx context.Context) error {
	for {
		p.run.forget()
		var found page
		err := p.run.troubles.persist(ctx, func() (err error) {
			found, err = p.run.bucket.list(ctx, p.after)
			return err
		})
		if err != nil {
			return err
		}
		if found.unnamed > 0 {
			p.run.source.options.Logger.Warn("leave out objects whose keys are no UTF-8", "bucket", p.run.source.options.Bucket, "objects", found.unnamed)
		}
		for i := range found.objects {
			if err := p.object(ctx, &found.objects[i]); err != nil {
				return err
			}
		}
		p.after = found.last
		if !found.more {
			break
		}
	}
	_, _, err := p.advance(ctx, lastKey)
	return err
}

// lastKey lies behind every key.
const lastKey = "\xff\xff"

// object looks at one that was listed, unless its note fits.
func (p *pass) object(ctx context.Context, o *object) error {
	r := p.run
	was, known, err := p.advance(ctx, o.key)
	if err != nil {
		return err
	}
	p.after = o.key
	_, touched := r.touched[o.key]
	if known && !touched && !p.how.again && was.fits(o, r.source.options.MaxSize) && !r.window.holds(o.key) {
		return r.breathe(ctx)
	}
	l := &look{key: o.key, was: was, known: known, seen: o, again: p.how.again, snapshot: p.how.snapshot, found: true}
	if touched || r.window.holds(o.key) || p.removing && !known {
		l.seen = nil // the page may be older than what a notification, or this pass, has led to
	}
	if err := r.push(ctx, l); err != nil {
		return err
	}
	return r.breathe(ctx)
}

// advance goes up to a key, taking down those before it as missing, and gives its note.
func (p *pass) advance(ctx context.Context, key string) (was note, known bool, err error) {
	for {
		e, ok, err := p.cursor.Peek()
		if err != nil {
			return note{}, false, err
		}
		if !ok || e.Name > key {
			was, known, _ := p.run.known.Recent(key) // not in the ledger yet
			return was, known, nil
		}
		p.cursor.Next()
		inside := strings.HasPrefix(e.Name, p.run.source.options.Prefix)
		if inside && !p.removing {
			p.known++
		}
		if e.Name == key {
			return e.Note, true, nil
		}
		if err := p.missing(ctx, e.Name, inside); err != nil {
			return note{}, false, err
		}
	}
}

// missing takes down a known key that was not listed. What the prefix leaves out now is not gone, but unwanted.
func (p *pass) missing(ctx context.Context, key string, inside bool) error {
	switch {
	case !inside:
		return p.run.delete(ctx, key)
	case p.removing:
		return p.run.push(ctx, &look{key: key, found: true})
	}
	p.gone++
	if p.more != "" {
		return nil
	}
	if p.lostBytes += len(key) + 16; p.lostBytes > maxLost {
		p.more, p.moreAfter = key, p.after
		return nil
	}
	p.lost = append(p.lost, key)
	return nil
}

// remove looks once more at what was lost, and deletes what is not there.
func (p *pass) remove(ctx context.Context) error {
	r := p.run
	for _, key := range p.lost {
		if err := r.push(ctx, &look{key: key, found: true}); err != nil {
			return err
		}
		if err := r.breathe(ctx); err != nil {
			return err
		}
	}
	if p.more != "" {
		p.removing, p.how.again, p.after = true, false, p.moreAfter
		p.cursor = r.known.Cursor("")
		p.cursor.Seek(p.more)
		if err := p.merge(ctx); err != nil {
			return err
		}
	}
	pending, err := r.known.Pending(r.source.options.Prefix, p.number)
	if err != nil {
		return err
	}
	for _, key := range pending {
		if err := r.push(ctx, &look{key: key, found: true}); err != nil {
			return err
		}
	}
	return nil
}

// guardKeys is the number of gone objects from which the guard works: fewer may well go at once.
const guardKeys = 100

// guard refuses the deletes of a pass that finds most of the bucket gone, which is another bucket under its name or
// a listing that lacks something rather than somebody's wish (I10).
func (p *pass) guard() error {
	r := p.run
	o := &r.source.options
	accepted := r.start.AcceptDeletes && !r.caught
	if p.gone < guardKeys || p.gone <= int(o.MaxDelete*float64(p.known)) || accepted {
		return nil
	}
	return &cdc.SourceError{
		Code: "data_guard",
		Err: fmt.Errorf("compare bucket %s: %d of %d known objects are gone, such as %q; none is deleted: %w",
			o.Bucket, p.gone, p.known, p.lost[0], cdc.ErrGap),
		Hint: "check that bucket, prefix and endpoint are the right ones; if the objects are meant to go: " +
			"`freshet reset <flow> --source NAME --accept-deletes --yes`",
	}
}
