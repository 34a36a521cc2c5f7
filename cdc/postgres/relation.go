package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// relation takes a table's description: it holds for what follows.
func (r *run) relation(ctx context.Context, rel *relation) error {
	at, ok := r.byOID[rel.oid]
	if !ok {
		if at, ok = r.rootOf(ctx, rel); !ok {
			r.bindings[rel.oid] = nil
			if slices.ContainsFunc(r.tables, func(t *table) bool { return t.schema == rel.schema && t.name == rel.name }) {
				r.askWatch()
			}
			return r.strange(ctx, rel.oid)
		}
	}
	t := r.tables[at]
	r.askWatch() // it may have changed in what this description does not show
	if _, held := r.place.held(t.oid); held && rel.oid == t.oid && t.reordered(rel) {
		return r.again("columns of table %s have changed places", t.plain())
	}
	if t.unnamed(rel) {
		return r.blinded(t)
	}
	x, err := bind(t, at, r.carried[at], rel, func(c column, from int) (int, codec, error) {
		return r.settleColumn(ctx, t, at, rel, c, from)
	})
	if err != nil {
		return err
	}
	for _, c := range rel.columns {
		x.identity = append(x.identity, c.key)
	}
	r.bindings[rel.oid] = x
	return nil
}

// unnamed reports whether the old rows of a description do not tell the key: the replica identity, or the key, was another one
// then. Where nothing is told of old rows the server lets nobody change them.
func (t *table) unnamed(rel *relation) bool {
	tells := func(c wireColumn) bool { return c.key }
	return slices.ContainsFunc(rel.columns, tells) && slices.ContainsFunc(t.key, func(k int) bool {
		return !slices.ContainsFunc(rel.columns, func(c wireColumn) bool { return c.key && c.name == t.columns[k].name })
	})
}

// blinded gives up a stretch of the stream that does not tell which rows went: everything is read again. While that is
// under way what the stretch tells is not needed, and the stream goes on behind it.
func (r *run) blinded(t *table) error {
	if r.reread {
		return r.again("the stream does not tell the key of rows of table %s: its key or its replica identity has changed", t.plain())
	}
	r.leap = true
	return errAgain
}

// rootOf finds the table of the flow that a partition belongs to, where the publication does not tell
// changes under the name of the root.
func (r *run) rootOf(ctx context.Context, rel *relation) (int, bool) {
	if r.facts.publication == nil || r.facts.publication.viaRoot {
		return 0, false
	}
	var root uint32
	err := r.sql.QueryRow(ctx, "SELECT coalesce(pg_catalog.pg_partition_root($1::pg_catalog.oid::pg_catalog.regclass), 0)::pg_catalog.oid", rel.oid).Scan(&root)
	if err != nil {
		return 0, false
	}
	at, ok := r.byOID[root]
	return at, ok
}

// settleColumn finds a carried column in a description that lacks it or has it with another type. from is
// its place there, or -1. Either the table has changed since the flow was planned, which ends the run, or
// the description is of an earlier time.
func (r *run) settleColumn(ctx context.Context, t *table, at int, rel *relation, c column, from int) (int, codec, error) {
	now, err := readTable(ctx, r.sql, t.option)
	switch {
	case errors.Is(err, errNoTable):
		return 0, 0, changed("table %s is gone, and with it column %s", t.plain(), c.name)
	case err != nil:
		return 0, 0, err
	}
	if err := t.same(now, r.carried[at]); err != nil {
		return 0, 0, err
	}
	if from < 0 {
		// The same number of columns under other names: it was renamed since.
		if i := slices.IndexFunc(now.columns, func(x column) bool { return x.name == c.name }); i >= 0 && len(now.columns) == len(rel.columns) &&
			!slices.ContainsFunc(now.columns, func(x column) bool { return x.name == rel.columns[i].name }) {
			from = i
		}
	}
	if from < 0 {
		return -1, c.codec, nil // it was added since: not sent
	}
	wire, err := r.codecOf(ctx, rel.columns[from].declared)
	return from, wire, err
}

// codecOf looks up how values of a type are read. A type that is gone is read as text.
func (r *run) codecOf(ctx context.Context, declared uint32) (codec, error) {
	var x sqlType
	var class string
	err := r.sql.QueryRow(ctx, `WITH RECURSIVE d AS (
		SELECT oid, typtype, typbasetype, typname FROM pg_catalog.pg_type WHERE oid = $1
		UNION ALL SELECT t.oid, t.typtype, t.typbasetype, t.typname FROM d JOIN pg_catalog.pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT oid, typname, typtype::text FROM d WHERE typtype <> 'd'`, declared).Scan(&x.oid, &x.name, &class)
	if errors.Is(err, pgx.ErrNoRows) {
		return codecText, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up type %d: %w", declared, err)
	}
	x.class = class[0]
	return codecOf(x), nil
}
