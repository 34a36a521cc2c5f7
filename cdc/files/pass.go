package files

import (
	"context"
	"errors"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/freshet/freshet/internal/blob"
)

// entry is a known name with its note.
type entry = blob.Entry[note]

// pass compares the folder, or one directory of it, with what is known: a merge of two sequences in
// byte order of the paths.
type pass struct {
	run    *run
	prefix string // empty, or a directory with its slash
	whole  bool   // of the folder: guarded, and notices are looked at meanwhile
	how    how
	number uint64

	cursor *blob.Cursor[note]
	known  int      // known names that the globs keep
	gone   int      // those of them without a file
	lost   []string // names that are known and were not met, to be looked at again before they go
	more   string   // the first name that lost had no room for
	prints []uint64 // of the gone ones
}

// how files are put.
type how struct {
	snapshot bool   // as part of the first copy
	rescan   bool   // also those whose note fits
	replaces string // the name that the file had before; its row goes in the same transaction
}

// Bounds of what a pass remembers of lost files.
const (
	maxLost   = 1 << 16
	maxPrints = 1 << 20
)

// compare makes a pass over the directory at prefix; dir is nil where there is none any more.
func (r *run) compare(ctx context.Context, dir *os.Root, prefix string, how how) error {
	p := &pass{run: r, prefix: prefix, whole: prefix == "", how: how, number: r.known.BeginPass(), cursor: r.known.Cursor(prefix)}
	r.troubles.free(strings.TrimSuffix(prefix, "/"))
	if dir != nil {
		w := walker{filter: &r.source.filter, enter: p.enter, blocked: p.blocked,
			file: func(dir *os.Root, base, rel string) error { return p.file(ctx, dir, base, rel) }}
		if err := w.walk(ctx, dir, prefix, strings.Count(prefix, "/")); err != nil {
			return err
		}
	}
	if _, _, err := p.advance(lastName); err != nil {
		return err
	}
	// A folder that has gone meanwhile looks like one whose files have; so it is looked for at its path.
	if err := r.present(); err != nil {
		return err
	}
	if err := p.guard(ctx, dir); err != nil {
		return err
	}
	return p.remove(ctx)
}

func (p *pass) enter(rel string) error {
	if p.run.watch == nil {
		return nil
	}
	return absentOr(p.run.watch.add(rel))
}

// peek is the next known name of the walk's order; odd names have another.
func (p *pass) peek() (entry, bool, error) {
	for {
		e, ok, err := p.cursor.Peek()
		if err != nil || !ok || !strings.HasPrefix(e.Name, oddPrefix) {
			return e, ok, err
		}
		p.cursor.Next()
	}
}

// lastName lies behind every name: no path holds a NUL, and none begins above 0xFF.
const lastName = "\xff\x00"

// advance goes up to a name, taking down those before it as missing, and gives its note.
func (p *pass) advance(name string) (was note, known bool, err error) {
	for {
		e, ok, err := p.peek()
		if err != nil {
			return note{}, false, err
		}
		if !ok || e.Name > name {
			was, known, _ := p.run.known.Recent(name) // not in the ledger yet
			return was, known, nil
		}
		p.count(e)
		if e.Name == name {
			return e.Note, true, nil
		}
		p.missing(e)
	}
}

// count steps over a known name.
func (p *pass) count(e entry) {
	p.cursor.Next()
	if p.run.source.filter.keeps(e.Name) {
		p.known++
	}
}

// missing takes down a known name without a file. What the globs leave out now is not gone, but
// unwanted.
func (p *pass) missing(e entry) {
	if p.run.source.filter.keeps(e.Name) {
		p.gone++
		if len(p.prints) < maxPrints {
			p.prints = append(p.prints, e.Note.print())
		}
	}
	if len(p.lost) < maxLost {
		p.lost = append(p.lost, e.Name)
	} else if p.more == "" {
		p.more = e.Name
	}
}

func (p *pass) file(ctx context.Context, dir *os.Root, base, rel string) error {
	odd := !utf8.ValidString(rel)
	find := p.advance
	if odd {
		find = p.run.known.Note // it stands elsewhere in the ledger
	}
	name := nameOf(rel)
	was, known, err := find(name)
	if err != nil {
		return err
	}
	err = p.run.file(ctx, dir, base, rel, was, known, p.how)
	if blocked, ok := errors.AsType[*blockedError](err); ok {
		p.run.troubles.block(path.Dir(rel), blocked.err) // it may be listed but not searched
	} else if errors.Is(err, errAbsent) {
		if known && !odd {
			p.missing(entry{Name: name, Note: was})
		}
	} else if err != nil {
		return err
	}
	return p.run.breathe(ctx, p.whole)
}

// blocked keeps what is known below a directory that cannot be read.
func (p *pass) blocked(rel string, err error) error {
	if rel == "" {
		return &setback{err: p.run.source.unreadable(err), pause: folderPause}
	}
	p.run.troubles.block(rel, err)
	for {
		e, ok, err := p.peek()
		if err != nil {
			return err
		}
		below := ok && strings.HasPrefix(e.Name, rel+"/")
		if !ok || !below && e.Name > rel+"/" {
			return nil
		}
		p.count(e)
		if !below {
			p.missing(e)
		}
	}
}

// remove looks once more at what was lost, and deletes what is not there.
func (p *pass) remove(ctx context.Context) error {
	defer p.run.places.close()
	for _, name := range p.lost {
		if err := p.settle(ctx, name); err != nil {
			return err
		}
	}
	if p.more != "" {
		rest := p.run.known.Cursor(p.prefix)
		rest.Seek(p.more)
		if err := p.settleAll(ctx, rest); err != nil {
			return err
		}
	}
	if err := p.settleAll(ctx, p.run.known.Cursor(oddPrefix+escape(p.prefix))); err != nil {
		return err
	}
	pending, err := p.run.known.Pending(p.prefix, p.number)
	if err != nil {
		return err
	}
	for _, name := range pending {
		if err := p.settle(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) settleAll(ctx context.Context, c *blob.Cursor[note]) error {
	for {
		e, ok, err := c.Peek()
		if err != nil || !ok {
			return err
		}
		c.Next()
		if err := p.settle(ctx, e.Name); err != nil {
			return err
		}
	}
}

func (p *pass) settle(ctx context.Context, name string) error {
	rel, err := relOf(name)
	if err != nil {
		// No file is named so; an earlier form of the source may have.
		return p.run.delete(ctx, name)
	}
	if err := p.run.look(ctx, rel, how{}); err != nil {
		return err
	}
	return p.run.breathe(ctx, false)
}
