package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// Sizes of what is read at once.
const (
	chunkPages    = 8192 // of a table's file: 64 MiB
	snapshotBytes = 256 << 10
)

// temporaryName is the name of a slot that lasts as long as the tables are read.
func temporaryName(slot string) string {
	return fmt.Sprintf("%.50s_read_%06x", slot, rand.Uint32()&0xffffff)
}

// chunk is a part of a table's rows.
type chunk struct {
	leaf     string
	from, to int64 // pages; to 0: all
}

func (c chunk) condition(where string) string {
	var all []string
	if c.to > 0 {
		all = append(all, fmt.Sprintf("ctid >= '(%d,0)'::tid AND ctid < '(%d,0)'::tid", c.from, c.to))
	}
	if where != "" {
		all = append(all, "("+where+"\n)")
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

// readTables puts the rows of the pending tables as they stood at the moment. The stream waits meanwhile; the
// feedback keeps its connection.
func (r *run) readTables(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	m := r.moment
	r.place.to(m.at)
	r.source.raise(r.place.lsn)
	for _, t := range r.tables {
		if !r.reading[t.oid] {
			continue
		}
		begun := time.Now()
		rows, err := r.readTable(ctx, t)
		if err != nil {
			return fmt.Errorf("read the rows of %s: %w", t.plain(), err)
		}
		r.source.options.Logger.Info("table read", "table", t.plain(), "rows", rows, "position", m.at, "took", time.Since(begun))
		delete(r.pending, t.oid)
		r.place.add(heldTable{oid: t.oid, where: whereSum(t.where)})
		r.commit(0)
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	m.close(ctx)
	if r.moment = nil; len(r.pending) > 0 {
		return errAgain // the others have moments of their own
	}
	r.reread = true
	return nil
}

// readTable puts the rows of one table, several chunks at once.
func (r *run) readTable(ctx context.Context, t *table) (rows int64, err error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	chunks, err := r.chunks(reading, t)
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	var faults []error
	next := func() (chunk, bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(chunks) == 0 || len(faults) > 0 {
			return chunk{}, false
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, true
	}
	var readers sync.WaitGroup
	for range min(r.source.options.SnapshotJobs, len(chunks)) {
		readers.Go(func() {
			n, err := r.readChunks(reading, t, next)
			mu.Lock()
			defer mu.Unlock()
			rows += n
			if err != nil {
				faults = append(faults, err)
				stop()
			}
		})
	}
	readers.Wait()
	if len(faults) > 0 {
		return rows, faults[0] // the others broke off because of it
	}
	return rows, nil
}

// chunks cuts a table by the pages of its files.
func (r *run) chunks(ctx context.Context, t *table) ([]chunk, error) {
	leaves, err := t.leaves(ctx, r.sql)
	if err != nil {
		return nil, err
	}
	var all []chunk
	for _, leaf := range leaves {
		var pages int64
		if err := r.sql.QueryRow(ctx, "SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass) / current_setting('block_size')::int8", leaf).Scan(&pages); err != nil {
			return nil, fmt.Errorf("measure %s: %w", leaf, err)
		}
		if pages <= chunkPages {
			all = append(all, chunk{leaf: leaf})
			continue
		}
		for from := int64(0); from < pages; from += chunkPages {
			all = append(all, chunk{leaf: leaf, from: from, to: from + chunkPages})
		}
		all[len(all)-1].to = 1<<32 - 2 // what has grown since
	}
	return all, nil
}

// readChunks is one connection that reads chunks in the moment until there are no more.
func (r *run) readChunks(ctx context.Context, t *table, next func() (chunk, bool)) (rows int64, err error) {
	c, err := r.source.options.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "SET TRANSACTION SNAPSHOT " + literal(r.moment.name)} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return 0, fmt.Errorf("take the snapshot: %w", err)
		}
	}
	p := &puller{run: r, batch: r.out.Batch(), position: r.place.encode(), binding: r.selection(t)}
	for {
		x, ok := next()
		if !ok {
			return p.rows, p.flush(ctx)
		}
		if err := p.pull(ctx, c, t, x); err != nil {
			return p.rows, err
		}
	}
}

// selection binds the columns of the rows that are read: the carried ones, then those of the key.
func (r *run) selection(t *table) *binding {
	at := r.byOID[t.oid]
	x := &binding{table: t, collection: at}
	place := func(i int, c column) field {
		f := field{from: i, wire: c.codec, want: c.codec}
		if c.codec == codecText {
			f.wire = codecString // it is read as the text that the type's output function writes
		}
		return f
	}
	for i, c := range r.carried[at] {
		x.fields = append(x.fields, place(i, t.columns[c]))
	}
	for i, c := range t.key {
		from := slices.Index(r.carried[at], c)
		if from < 0 {
			from = len(r.carried[at]) + i
		}
		x.keys = append(x.keys, place(from, t.columns[c]))
	}
	return x
}

// copyStatement reads one chunk. A column without a known binary form is read through its output function,
// so that a row that is read and one that is streamed hold the same bytes.
func (r *run) copyStatement(t *table, x chunk) string {
	at := r.byOID[t.oid]
	var columns []string
	for _, c := range append(slices.Clone(r.carried[at]), t.key...) {
		column := t.columns[c]
		name := quoted(column.name)
		if column.codec == codecText {
			name = "pg_catalog.textin(" + column.base.output + "(" + name + "))"
		}
		columns = append(columns, name)
	}
	return "COPY (SELECT " + strings.Join(columns, ", ") + " FROM ONLY " + x.leaf + x.condition(t.where) + ") TO STDOUT (FORMAT binary)"
}

// puller turns rows of a COPY into changes.
type puller struct {
	run      *run
	binding  *binding
	decoder  decoder
	batch    *cdc.Batch
	position cdc.Position
	rows     int64
	copied   copyReader
}

// pieces is the writer that a COPY writes to.
type pieces func(data []byte) error

// Write implements io.Writer.
func (f pieces) Write(data []byte) (int, error) { return len(data), f(data) }

func (p *puller) pull(ctx context.Context, c *pgx.Conn, t *table, x chunk) error {
	p.copied = copyReader{}
	add := func() error { return p.add(ctx) }
	take := pieces(func(data []byte) error { return p.copied.feed(data, &p.decoder.after, add) })
	if _, err := c.PgConn().CopyTo(ctx, take, p.run.copyStatement(t, x)); err != nil {
		return fmt.Errorf("copy %s: %w", x.leaf, err)
	}
	return p.copied.ended()
}

// add adds the row of the tuple.
func (p *puller) add(ctx context.Context) error {
	d := &p.decoder
	var err error
	if d.key, err = d.appendKey(d.key[:0], p.binding, &d.after, nil); err != nil {
		return err
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
	if p.rows++; p.batch.Bytes() > snapshotBytes {
		return p.flush(ctx)
	}
	return nil
}

func (p *puller) flush(ctx context.Context) error {
	if p.batch.Len() == 0 {
		return nil
	}
	p.batch.Commit(p.position, 0)
	if err := p.run.put(ctx, p.batch); err != nil {
		return err
	}
	p.batch = p.run.out.Batch()
	return nil
}
