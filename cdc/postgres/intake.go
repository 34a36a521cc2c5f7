package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// snapshotBytes is the size at which rows that are read are handed over.
const snapshotBytes = 256 << 10

// pace is how rows are read next to the stream. A chunk that took long is followed by smaller ones, also where it
// was the flow that had no credit: what is read in one piece holds up the stream.
type pace struct {
	window      time.Duration // of rows, and then of changes if there are any, in turn
	first, most uint32        // pages of a table that are read at once
}

// usualPace begins with 2 MiB and comes to 64 MiB.
var usualPace = pace{window: time.Second, first: 256, most: 8192}

// intake is the reading of one window, by several connections at once.
type intake struct {
	run   *run
	w     *window
	until time.Time // no chunk is begun after it; zero: as many as there are

	mu    sync.Mutex // guards what is below, the fills, run.place and run.pages; held while rows are handed over
	fault error      // the first one
}

// readWindow puts the rows of the window's tables, each with how far its table is held then.
func (r *run) readWindow(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	begun := time.Now()
	r.source.raise(r.place.lsn)
	r.source.fillsLeft(r.fills)
	x := &intake{run: r, w: r.window}
	if !r.load {
		x.until = begun.Add(r.source.pace.window)
	}
	if err := x.read(ctx); err != nil {
		return err
	}
	kept := r.fills[:0]
	for _, f := range r.fills {
		if !f.opened || !f.complete() {
			kept = append(kept, f)
			continue
		}
		r.place.set(f.held())
		r.source.options.Logger.Info("table read", "table", f.table.plain(), "rows", f.rows, "position", r.place.lsn)
	}
	if r.fills = kept; len(kept) == 0 {
		r.reread = true
	}
	r.commit(0)
	if err := r.flush(ctx); err != nil {
		return err
	}
	r.source.fillsLeft(r.fills)
	r.recess, r.halted = time.Now().Add(min(time.Since(begun), r.source.pace.window)), false
	if len(r.fills) == 0 {
		r.leave(ctx)
		return nil
	}
	return r.closeWindow(ctx)
}

func (x *intake) read(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var readers sync.WaitGroup
	for i := range x.run.source.options.SnapshotJobs {
		if i > 0 && !x.more() {
			break
		}
		c, err := x.run.reader(ctx, i) // here: the list of readers belongs to this goroutine
		if err != nil {
			x.fail(err)
			break
		}
		readers.Go(func() {
			if err := x.work(reading, c, i > 0); err != nil {
				x.fail(err)
				stop()
			}
		})
	}
	readers.Wait()
	return x.fault
}

func (x *intake) fail(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fault == nil {
		x.fault = err // others break off because of it
	}
}

// more reports whether there are chunks that nobody has taken.
func (x *intake) more() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.w.fills {
		if f.next < len(f.parts) {
			return true
		}
	}
	return false
}

// take gives the next chunk.
func (x *intake) take() (chunk, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fault != nil || x.run.place.step > mostSteps || !x.until.IsZero() && time.Now().After(x.until) {
		return chunk{}, false
	}
	for _, f := range x.w.fills {
		if c, ok := f.cut(x.run.pages); ok {
			return c, true
		}
	}
	return chunk{}, false
}

// put hands rows over, under a position that names no row which has not been put before them.
func (x *intake) put(ctx context.Context, b *cdc.Batch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	b.Commit(x.run.place.encode(), 0)
	return x.run.put(ctx, b)
}

// done notes a chunk whose rows have been put.
func (x *intake) done(c chunk, rows int64, took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c.fill.rows += rows
	if held, ok := c.fill.done(c); ok {
		x.run.place.set(held)
	}
	switch pace := x.run.source.pace; {
	case took > pace.window:
		x.run.pages = max(x.run.pages/2, 1)
	case took < pace.window/4:
		x.run.pages = min(x.run.pages*2, pace.most)
	}
	x.run.source.took(c.fill, rows, c.pages)
}

// work is one connection that reads chunks until there are no more.
func (x *intake) work(ctx context.Context, c *pgx.Conn, join bool) error {
	if join {
		for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET TRANSACTION SNAPSHOT " + literal(x.w.name)} {
			if _, err := c.Exec(ctx, sql); err != nil {
				return fmt.Errorf("take the snapshot: %w", err)
			}
		}
	}
	p := &puller{intake: x, batch: x.run.out.Batch()}
	for {
		next, ok := x.take()
		if !ok {
			return nil
		}
		begun, before := time.Now(), p.rows
		if err := p.pull(ctx, c, next); err != nil {
			return fmt.Errorf("read the rows of %s: %w", next.fill.table.plain(), err)
		}
		x.done(next, p.rows-before, time.Since(begun))
	}
}

// puller turns rows of a COPY into changes. It belongs to one connection.
type puller struct {
	intake  *intake
	binding *binding
	decoder decoder
	batch   *cdc.Batch
	rows    int64
	copied  copyReader
	name    []byte
}

// pieces is the writer that a COPY writes to.
type pieces func(data []byte) error

// Write implements io.Writer.
func (f pieces) Write(data []byte) (int, error) { return len(data), f(data) }

// pull puts the rows of one chunk.
func (p *puller) pull(ctx context.Context, c *pgx.Conn, x chunk) error {
	if p.binding == nil || p.binding.table != x.fill.table {
		p.binding = p.intake.run.selection(x.fill.table)
	}
	p.copied = copyReader{}
	add := func() error { return p.add(ctx) }
	take := pieces(func(data []byte) error { return p.copied.feed(data, &p.decoder.after, add) })
	if _, err := c.PgConn().CopyTo(ctx, take, p.intake.run.copyStatement(x)); err != nil {
		return fmt.Errorf("copy %s: %w", x.leaf, err)
	}
	if err := p.copied.ended(); err != nil {
		return err
	}
	return p.flush(ctx)
}

// add adds the row of the tuple, unless its key has changed since the snapshot.
func (p *puller) add(ctx context.Context) error {
	d := &p.decoder
	var err error
	if d.key, err = d.appendKey(d.key[:0], p.binding, &d.after, nil); err != nil {
		return err
	}
	p.rows++
	if len(p.intake.w.changed) > 0 {
		p.name = appendName(p.name[:0], p.binding, d.key)
		if p.intake.w.has(p.name) {
			return nil
		}
	}
	change := cdc.Change{Op: cdc.Insert, Snapshot: true, Collection: p.binding.collection, Key: d.key}
	err = d.buildRow(p.binding, &d.after, nil)
	switch {
	case errors.Is(err, errValue):
		change.Op, change.Cause = cdc.Reject, &cdc.Cause{Code: "unreadable_value", Message: err.Error()}
		p.batch.Add(change)
	case err != nil:
		return err
	default:
		p.batch.AddBuilt(change, &d.row)
	}
	if p.batch.Bytes() > snapshotBytes {
		return p.flush(ctx)
	}
	return nil
}

func (p *puller) flush(ctx context.Context) error {
	if p.batch.Len() == 0 {
		return nil
	}
	if err := p.intake.put(ctx, p.batch); err != nil {
		return err
	}
	p.batch = p.intake.run.out.Batch()
	return nil
}
