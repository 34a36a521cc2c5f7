package pgvector

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// index is an opened sink whose vectors can be searched.
type index struct{ *writer }

var (
	_ stream.Searcher = (*index)(nil)
	_ stream.Runner   = (*index)(nil)
)

// Search implements stream.Searcher. The index gives candidates in the order of their distance until there are enough
// that the condition keeps. Where it gives too few (rows that died since the last vacuum take their place in its
// graph, and a rare condition exhausts it), all rows are read: a search never finds less than there is.
func (x *index) Search(ctx context.Context, q stream.Query) ([]stream.Hit, error) {
	hits, err := x.attempt(ctx, q)
	var server *pgconn.PgError
	if errors.As(err, &server) && vanished(server) {
		hits, err = x.attempt(ctx, q) // a swap has given the table its name meanwhile
	}
	if err != nil {
		return nil, describe(err)
	}
	return hits, nil
}

// attempt searches in one snapshot.
func (x *index) attempt(ctx context.Context, q stream.Query) ([]stream.Hit, error) {
	var hits []stream.Hit
	err := x.readers.with(ctx, func(conn *pgconn.PgConn) error {
		hits = nil
		if err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").Close(); err != nil {
			return err
		}
		found, err := x.search(ctx, conn, q)
		if err != nil {
			return errors.Join(err, conn.Exec(ctx, "ROLLBACK").Close())
		}
		hits = found
		return conn.Exec(ctx, "COMMIT").Close()
	})
	return hits, err
}

func (x *index) search(ctx context.Context, conn *pgconn.PgConn, q stream.Query) ([]stream.Hit, error) {
	x.mu.Lock()
	indexed := x.indexed && x.sink.o.Index != None
	x.mu.Unlock()
	if indexed {
		if err := x.tune(ctx, conn, q); err != nil {
			return nil, err
		}
		hits, err := x.nearest(ctx, conn, q)
		if err != nil || len(hits) >= q.K {
			return hits, err
		}
		total := int64(0)
		for _, t := range x.tables {
			n, err := countSome(ctx, conn, t, int64(q.K))
			if err != nil {
				return nil, err
			}
			total += n
		}
		if int64(len(hits)) >= total {
			return hits, nil
		}
	}
	if err := conn.Exec(ctx, "SET LOCAL enable_indexscan = off").Close(); err != nil {
		return nil, err
	}
	return x.nearest(ctx, conn, q)
}

// countSome counts the rows of a table up to a number.
func countSome(ctx context.Context, conn *pgconn.PgConn, t *table, most int64) (int64, error) {
	name, err := t.relation(ctx, conn)
	if err != nil {
		return 0, err
	}
	text, err := value(ctx, conn, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s IS NOT NULL LIMIT %d) s", name, versionColumn, most))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// tune sets how much of the index is looked at. Since version 0.8 of the extension a scan goes on when the first
// candidates do not suffice.
func (x *index) tune(ctx context.Context, conn *pgconn.PgConn, q stream.Query) error {
	width := min(max(40, 2*q.K), 1000)
	sets := []string{"SET LOCAL cursor_tuple_fraction = 0.001"} // the first rows are all that is wanted
	switch x.sink.o.Index {
	case HNSW:
		sets = append(sets, fmt.Sprintf("SET LOCAL hnsw.ef_search = %d", width))
		if x.iterates() {
			sets = append(sets, "SET LOCAL hnsw.iterative_scan = strict_order")
		}
	case IVFFlat:
		sets = append(sets, "SET LOCAL ivfflat.probes = 10")
		if x.iterates() {
			sets = append(sets, "SET LOCAL ivfflat.iterative_scan = relaxed_order")
		}
	}
	return conn.Exec(ctx, strings.Join(sets, "; ")).Close()
}

// iterates reports whether the extension's version has iterative scans.
func (x *index) iterates() bool {
	var major, minor int
	if _, err := fmt.Sscanf(x.version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 0 || minor >= 8
}

// fetched is how many rows a cursor gives at a time.
const fetched = 100

// nearest reads rows of every table in the order of their distance.
func (x *index) nearest(ctx context.Context, conn *pgconn.PgConn, q stream.Query) ([]stream.Hit, error) {
	var all []stream.Hit
	for i := range x.tables {
		hits, err := x.nearestOf(ctx, conn, i, q)
		if err != nil {
			return nil, err
		}
		all = merged(all, hits, q.K)
	}
	return all, nil
}

// merged merges two lists, best first.
func merged(a, b []stream.Hit, k int) []stream.Hit {
	var all []stream.Hit
	for len(all) < k && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].Score >= b[0].Score {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return all
}

// nearestOf reads rows of the table of a collection.
func (x *index) nearestOf(ctx context.Context, conn *pgconn.PgConn, collection int, q stream.Query) ([]stream.Hit, error) {
	t, schema := x.tables[collection], x.target.Collections[collection].Schema
	columns := t.all()
	list, formats := t.selectList(columns)
	vector := string(appendNumbers(nil, cdc.Value{Raw: cdc.AppendVector(nil, q.Vector)}, asVector))
	name := quote(t.columns[t.vector].Name)
	limit := ""
	if q.Where == nil {
		limit = fmt.Sprintf(" LIMIT %d", q.K)
	}
	relation, err := t.relation(ctx, conn)
	if err != nil {
		return nil, err
	}
	distance := fmt.Sprintf("%s %s '%s'", name, operatorOf(x.sink.o.Metric), vector)
	err = conn.Exec(ctx, fmt.Sprintf("DECLARE found NO SCROLL CURSOR FOR SELECT %s, %s, (%s)::float8 FROM %s WHERE %s IS NOT NULL AND %s IS NOT NULL ORDER BY %s%s",
		list, versionColumn, distance, relation, versionColumn, name, distance, limit)).Close()
	if err != nil {
		return nil, err
	}
	var hits []stream.Hit
	formats = append(formats, 1, 1)
	for len(hits) < q.K {
		result := conn.ExecParams(ctx, fmt.Sprintf("FETCH %d FROM found", max(fetched, q.K)), nil, nil, nil, formats).Read()
		if result.Err != nil {
			return nil, result.Err
		}
		if len(result.Rows) == 0 {
			break
		}
		for _, raw := range result.Rows {
			hit, err := t.hit(raw, schema, x.sink.o.Metric)
			if err != nil {
				return nil, err
			}
			hit.Collection = collection
			keep := true
			if q.Where != nil {
				if keep, err = q.Where(collection, hit.Row); err != nil {
					return nil, err
				}
			}
			if keep && len(hits) < q.K {
				hits = append(hits, hit)
			}
		}
	}
	// An index over half precision orders by distances that it has rounded; those read with the rows are exact.
	slices.SortStableFunc(hits, func(a, b stream.Hit) int { return cmp.Compare(b.Score, a.Score) })
	return hits, conn.Exec(ctx, "CLOSE found").Close()
}

// hit decodes a row that was found: the columns of the collection, the key, the version.
func (t *table) hit(raw [][]byte, schema *cdc.Schema, metric stream.Metric) (stream.Hit, error) {
	var b cdc.RowBuilder
	keys := make([][]byte, len(t.key))
	for i, k := range t.key {
		keys[i] = raw[k]
	}
	key, err := t.decodeKey(keys)
	if err != nil {
		return stream.Hit{}, err
	}
	for i := range t.columns {
		if t.columns[i].field < 0 {
			continue // it is in the key alone
		}
		if err := decodeInto(&b, &t.columns[i].Type, raw[i]); err != nil {
			return stream.Hit{}, fmt.Errorf("read column %s of %s: %w", t.columns[i].Name, t.quoted(), err)
		}
	}
	version, distance := raw[len(t.columns)], raw[len(t.columns)+1]
	if len(version) != 8 || len(distance) != 8 || b.Len() != len(schema.Columns) {
		return stream.Hit{}, fmt.Errorf("read a row of %s: it is not whole", t.quoted())
	}
	return stream.Hit{Key: key, Row: b.Build(), Version: binary.BigEndian.Uint64(version),
		Score: scoreOf(metric, math.Float64frombits(binary.BigEndian.Uint64(distance)))}, nil
}
