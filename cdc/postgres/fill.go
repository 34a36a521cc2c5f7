package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// fill is a table whose first rows are being read. It belongs to one session.
type fill struct {
	table *table
	only  []uint32 // partitions that have joined a table that is held otherwise; nil: the whole table
	// opened says that rows of the table may be held already, or are read in the present window: every change
	// counts. Until then the rows will be read as the changes leave them, and just deletes count.
	opened bool

	family family
	parts  []part
	next   int    // index into parts, of the next chunk
	page   uint32 // of it
	flight []spot // of the chunks that are being read, in the order in which they were cut
	rows   int64
}

// part is a file of a table's rows: of the table itself, or of a partition.
type part struct {
	oid   uint32
	name  string // as SQL takes it
	pages uint32
	file  uint32 // its relfilenode: a file that was written anew has its rows elsewhere
	born  uint64 // transaction in which the partition joined the table; 0: of the table itself
}

const partsQuery = `WITH RECURSIVE tree AS (
	SELECT $1::pg_catalog.oid AS oid, '{}'::int8[] AS born
	UNION ALL
	SELECT i.inhrelid, tree.born || (i.xmin::text)::int8 FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid
		WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = i.inhrelid AND c.relispartition))
SELECT c.oid, n.nspname::text, c.relname::text, coalesce(pg_catalog.pg_relation_size(c.oid), 0) / current_setting('block_size')::int8,
	coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::pg_catalog.oid, tree.born
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' ORDER BY c.oid`

// partsOf lists the files of a table, ascending by OID; seen is what the database shows now, or showed before.
func (t *table) partsOf(ctx context.Context, c *pgx.Conn, seen sight) ([]part, error) {
	rows, err := c.Query(ctx, partsQuery, t.oid)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", t.plain(), err)
	}
	parts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (part, error) {
		var p part
		var schema, name string
		var pages int64
		var born []int64
		err := row.Scan(&p.oid, &schema, &name, &pages, &p.file, &born)
		p.name, p.pages = pgx.Identifier{schema, name}.Sanitize(), uint32(pages)
		for _, xid := range born {
			p.born = max(p.born, seen.whole(uint32(xid)))
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", t.plain(), err)
	}
	return parts, nil
}

// measure lists what is still to be read, in the snapshot of a window.
func (f *fill) measure(ctx context.Context, c *pgx.Conn, seen sight, held heldTable) error {
	all, err := f.table.partsOf(ctx, c, seen)
	if err != nil {
		return err
	}
	if f.family = held.family; f.table.kind == 'p' && (f.family == family{} || f.only != nil) {
		f.family = familyOf(all, seen.least)
	}
	f.parts, f.next, f.page, f.flight = all, 0, 0, f.flight[:0]
	switch {
	case f.only != nil:
		f.parts = slices.DeleteFunc(all, func(p part) bool { return !slices.Contains(f.only, p.oid) })
	case held.part:
		f.parts = slices.DeleteFunc(all, func(p part) bool { return p.oid < held.spot.leaf })
		if len(f.parts) > 0 && f.parts[0].oid == held.spot.leaf && f.parts[0].file == held.spot.file {
			f.page = held.spot.page // else its rows may be on other pages by now
		}
	}
	f.skip()
	return nil
}

// skip goes past what holds no rows.
func (f *fill) skip() {
	for f.next < len(f.parts) && f.page >= f.parts[f.next].pages {
		f.next, f.page = f.next+1, 0
	}
}

// cut takes the next chunk of a number of pages; false: there is none.
func (f *fill) cut(pages uint32) (chunk, bool) {
	if f.next == len(f.parts) {
		return chunk{}, false
	}
	p := &f.parts[f.next]
	c := chunk{fill: f, leaf: p.name, at: spot{leaf: p.oid, page: f.page, file: p.file}, to: f.page + pages, pages: int64(min(pages, p.pages-f.page))}
	if f.page = c.to; c.to >= p.pages {
		c.to = 0
	}
	f.flight = append(f.flight, c.at)
	f.skip()
	return c, true
}

// done takes a chunk whose rows have been put, and tells how much of the table is held; false: as before.
func (f *fill) done(c chunk) (heldTable, bool) {
	at := slices.Index(f.flight, c.at)
	f.flight = slices.Delete(f.flight, at, at+1)
	if at > 0 || f.only != nil && !f.complete() {
		return heldTable{}, false
	}
	return f.held(), true
}

// pagesLeft is how much is still to be read, as it was measured last; before that as the catalog has it.
func (f *fill) pagesLeft() (pages int64) {
	if f.parts == nil {
		return f.table.pages
	}
	for _, p := range f.parts[f.next:] {
		pages += int64(p.pages)
	}
	return pages - int64(f.page)
}

// complete reports whether all rows of the table have been put.
func (f *fill) complete() bool { return f.next == len(f.parts) && len(f.flight) == 0 }

// held says how much of the table is held.
func (f *fill) held() heldTable {
	h := heldTable{oid: f.table.oid, where: whereSum(f.table.where), family: f.family, layout: f.table.layout()}
	switch {
	case f.complete():
	case len(f.flight) > 0:
		h.part, h.spot = true, f.flight[0]
	default:
		p := &f.parts[f.next]
		h.part, h.spot = true, spot{leaf: p.oid, page: f.page, file: p.file}
	}
	return h
}

// chunk is a part of a table's rows.
type chunk struct {
	fill  *fill
	leaf  string
	at    spot
	to    uint32 // the page behind it; 0: to the end
	pages int64
}

func (c chunk) condition(where string) string {
	var all []string
	if c.at.page > 0 {
		all = append(all, fmt.Sprintf("ctid >= '(%d,0)'::tid", c.at.page))
	}
	if c.to > 0 {
		all = append(all, fmt.Sprintf("ctid < '(%d,0)'::tid", c.to))
	}
	if where != "" {
		all = append(all, "("+where+"\n)")
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, " AND ")
}

// copyStatement reads one chunk. A column without a known binary form is read through its output function,
// so that a row that is read and one that is streamed hold the same bytes.
func (r *run) copyStatement(c chunk) string {
	t := c.fill.table
	at := r.byOID[t.oid]
	var columns []string
	for _, i := range append(slices.Clone(r.carried[at]), t.key...) {
		column := t.columns[i]
		name := quoted(column.name)
		if column.codec == codecText {
			name = "pg_catalog.textin(" + column.base.output + "(" + name + "))"
		}
		columns = append(columns, name)
	}
	return "COPY (SELECT " + strings.Join(columns, ", ") + " FROM ONLY " + c.leaf + c.condition(t.where) + ") TO STDOUT (FORMAT binary)"
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

// filling is the fill of a table; nil: its rows are held.
func (r *run) filling(oid uint32) *fill {
	i := slices.IndexFunc(r.fills, func(f *fill) bool { return f.table.oid == oid })
	if i < 0 {
		return nil
	}
	return r.fills[i]
}

// awaits reports whether the rows of a table are still to be read, every one of them.
func (r *run) awaits(oid uint32) bool {
	if len(r.fills) == 0 {
		return false
	}
	f := r.filling(oid)
	return f != nil && !f.opened
}

// again asks for a rescan: rows that are held may have to go.
func (r *run) again(format string, args ...any) error {
	return &cdc.SourceError{Code: "data_guard", Err: fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), cdc.ErrReread),
		Hint: "`freshet reset <flow> --source NAME --yes` has the tables read again at the next run, and writes just what differs"}
}
