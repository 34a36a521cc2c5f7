package pgvector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// attribute is a column as the server's catalog has it.
type attribute struct {
	name, kind string
	oid        uint32
}

// shape makes a table, or brings one that is there into the shape that the flow asks for.
func (o *opening) shape(ctx context.Context, t *table) error {
	if err := o.resolve(ctx, t); err != nil {
		return err
	}
	there, key, err := o.look(ctx, t)
	if err != nil {
		return err
	}
	made := o.own.table(t.schema, t.name)
	for _, f := range o.former {
		if made == nil {
			made = f.table(t.schema, t.name)
		}
	}
	if there != nil {
		if !has(there, versionColumn) || !has(there, sourceColumn) {
			return o.strange(t)
		}
		if !slices.Equal(key, t.keyNames()) || o.rekeyed(t, made) || t.vectorDiffers(there) {
			if err := o.remake(ctx, t, made); err != nil {
				return err
			}
			there = nil
		}
	}
	switch {
	case there == nil:
		err = o.make(ctx, t, made)
	default:
		err = o.alter(ctx, t, there, made)
	}
	if err != nil {
		return err
	}
	if there, _, err = o.look(ctx, t); err != nil {
		return err
	}
	return t.learn(there)
}

// resolve chooses the type of each column: the source's own where this server has it as well.
func (o *opening) resolve(ctx context.Context, t *table) error {
	for i := range t.columns {
		for _, native := range t.native(i) {
			known, err := o.known(ctx, native)
			if err != nil {
				return err
			}
			// A text that the server reads as just a type is safe to be written into a statement.
			if known {
				t.columns[i].want = native
				break
			}
		}
	}
	return nil
}

// known reports whether the server has a type of that name.
func (o *opening) known(ctx context.Context, native string) (bool, error) {
	if err := o.exec(ctx, "SAVEPOINT attempt"); err != nil {
		return false, err
	}
	found, err := value(ctx, o.conn, "SELECT to_regtype($1)::text", native)
	var server *pgconn.PgError
	if err != nil && !errors.As(err, &server) {
		return false, err
	}
	if server != nil {
		return false, o.exec(ctx, "ROLLBACK TO SAVEPOINT attempt")
	}
	return found != "", o.exec(ctx, "RELEASE SAVEPOINT attempt")
}

// look reads the columns and the primary key of a table; nil where there is no table.
func (o *opening) look(ctx context.Context, t *table) (there []attribute, key []string, err error) {
	rows, err := query(ctx, o.conn, "SELECT c.oid, pg_relation_filenode(c.oid), c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2", t.schema, t.name)
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	if kind := string(rows[0][2]); kind != "r" {
		return nil, nil, &stream.Problem{Code: "table_taken", Exit: 3, Field: "table", Message: fmt.Sprintf("%s is no ordinary table", t.quoted()), Hint: "name another table"}
	}
	oid, err1 := strconv.ParseUint(string(rows[0][0]), 10, 32)
	filenode, err2 := strconv.ParseUint(string(rows[0][1]), 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	t.oid, t.filenode = uint32(oid), uint32(filenode)
	id := string(rows[0][0])
	rows, err = query(ctx, o.conn, "SELECT attname, format_type(atttypid, atttypmod), atttypid FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum", id)
	if err != nil {
		return nil, nil, err
	}
	for _, row := range rows {
		kind, err := strconv.ParseUint(string(row[2]), 10, 32)
		if err != nil {
			return nil, nil, err
		}
		there = append(there, attribute{name: string(row[0]), kind: string(row[1]), oid: uint32(kind)})
	}
	rows, err = query(ctx, o.conn, "SELECT a.attname FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(num, at) JOIN pg_attribute a ON a.attnum = k.num WHERE i.indrelid = $1::oid AND a.attrelid = i.indrelid AND i.indisprimary ORDER BY k.at", id)
	for _, row := range rows {
		key = append(key, string(row[0]))
	}
	return there, key, err
}

func has(there []attribute, name string) bool {
	return slices.ContainsFunc(there, func(a attribute) bool { return a.name == name })
}

func (t *table) keyNames() []string {
	var names []string
	for _, k := range t.key {
		names = append(names, t.columns[k].Name)
	}
	return names
}

// rekeyed reports whether a column of the key has changed its type: its rows are others then.
func (o *opening) rekeyed(t *table, made *madeTable) bool {
	return made != nil && slices.ContainsFunc(t.key, func(k int) bool {
		c := made.column(t.columns[k].Name)
		return c != nil && c.Want != t.columns[k].want
	})
}

// vectorDiffers reports whether the vectors of a table have another type or length than the flow's.
func (t *table) vectorDiffers(there []attribute) bool {
	return t.vector >= 0 && slices.ContainsFunc(there, func(a attribute) bool {
		c := &t.columns[t.vector]
		return a.name == c.Name && a.kind != c.want && !strings.HasSuffix(a.kind, "."+c.want)
	})
}

// strange refuses a table that Freshet has not made.
func (o *opening) strange(t *table) error {
	return &stream.Problem{Code: "table_taken", Exit: 3, Field: "table", Message: fmt.Sprintf("the table %s is there and is not Freshet's: it lacks %s or %s", t.quoted(), versionColumn, sourceColumn),
		Hint: fmt.Sprintf("name another table; or hand it over: `ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s bigint, ADD COLUMN IF NOT EXISTS %s text` (rows that are in it stay as they are)", t.quoted(), versionColumn, sourceColumn)}
}

// remake drops a table whose rows cannot become those of the flow.
func (o *opening) remake(ctx context.Context, t *table, made *madeTable) error {
	if made == nil || o.sink.o.Unmanaged {
		return &stream.Problem{Code: "table_altered", Exit: 3, Field: "table", Message: fmt.Sprintf("the table %s has another key or other vectors than the flow: key (%s)", t.quoted(), strings.Join(t.keyNames(), ", ")),
			Hint: "name another table, or drop this one: everything is then written again, at no call"}
	}
	if err := o.drop(ctx, *made); err != nil {
		return err
	}
	o.undone = true
	left, _, err := o.look(ctx, t)
	if err == nil && left != nil {
		return &stream.Problem{Code: "table_taken", Exit: 3, Field: "table", Message: fmt.Sprintf("the table %s cannot be made anew: somebody else's rows are in it, or something depends on it", t.quoted()),
			Hint: "name another table, or move this one away"}
	}
	return err
}

// make makes a table. One that the record tells of is lost.
func (o *opening) make(ctx context.Context, t *table, made *madeTable) error {
	var lines []string
	for i := range t.columns {
		line := quote(t.columns[i].Name) + " " + t.columns[i].want
		if slices.Contains(t.key, i) {
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	lines = append(lines, versionColumn+" bigint", sourceColumn+" text", "PRIMARY KEY ("+strings.Join(t.names(t.key), ", ")+")")
	// Updates of a row that keep its vector stay on its page, and leave the index as it is. Dead rows are what a search
	// stumbles over, so they are removed ten times earlier than by default.
	statement := fmt.Sprintf("CREATE TABLE %s (%s) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)",
		t.quoted(), strings.Join(lines, ", "))
	if o.sink.o.Unmanaged {
		return unmade("the table "+t.quoted(), statement)
	}
	t.made, o.undone = true, o.undone || made != nil
	return o.define(ctx, statement)
}

// alter adds, changes and drops columns. A difference that the flow did not make means that values are lost.
func (o *opening) alter(ctx context.Context, t *table, there []attribute, made *madeTable) error {
	for i := range t.columns {
		c := &t.columns[i]
		at := slices.IndexFunc(there, func(a attribute) bool { return a.name == c.Name })
		var was *madeColumn
		if made != nil {
			was = made.column(c.Name)
		}
		switch {
		case at < 0 && o.sink.o.Unmanaged:
			return unmade(fmt.Sprintf("the column %s of %s", c.Name, t.quoted()), fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.quoted(), quote(c.Name), c.want))
		case at < 0:
			o.undone = o.undone || was != nil
			if err := o.define(ctx, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", t.quoted(), quote(c.Name), c.want)); err != nil {
				return err
			}
		case o.sink.o.Unmanaged || i == t.vector:
		case was != nil && was.Want == c.want && was.Have == there[at].kind:
		default:
			if err := o.retype(ctx, t, c, there[at].kind, was); err != nil {
				return err
			}
		}
	}
	return o.shed(ctx, t, made)
}

// retype changes the type of a column and keeps its values where they can be cast.
func (o *opening) retype(ctx context.Context, t *table, c *column, have string, was *madeColumn) error {
	if was != nil && was.Have != have || was == nil && have != c.want {
		o.undone = true // somebody else has changed it, or has made it
	}
	if have == c.want {
		return nil
	}
	name := quote(c.Name)
	err := o.try(ctx, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::%s", t.quoted(), name, c.want, name, c.want))
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return err
	}
	switch {
	case server.Code == "42846" || strings.HasPrefix(server.Code, "22"): // cannot_coerce, or a value does not fit
		o.undone = true
		return o.define(ctx, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s, ADD COLUMN %s %s", t.quoted(), name, name, c.want))
	case server.Code == "0A000": // a view uses the column
		return o.depended(t, c.Name, server)
	}
	return err
}

// shed drops the columns that Freshet made and the flow has no more.
func (o *opening) shed(ctx context.Context, t *table, made *madeTable) error {
	if made == nil || o.sink.o.Unmanaged {
		return nil
	}
	for _, c := range made.Columns {
		if slices.ContainsFunc(t.columns, func(now column) bool { return now.Name == c.Name }) {
			continue
		}
		err := o.try(ctx, fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", t.quoted(), quote(c.Name)))
		var server *pgconn.PgError
		if errors.As(err, &server) && server.Code == "2BP01" {
			return o.depended(t, c.Name, server)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *opening) depended(t *table, name string, server *pgconn.PgError) error {
	return &stream.Problem{Code: "table_altered", Exit: 3, Field: "columns", Message: fmt.Sprintf("the column %s of %s is to change, and something depends on it: %s", name, t.quoted(), server.Message),
		Hint: "drop the view and make it again afterwards, or let the flow keep the column"}
}

// learn takes over what the server calls the types of the columns.
func (t *table) learn(there []attribute) error {
	for i := range t.columns {
		at := slices.IndexFunc(there, func(a attribute) bool { return a.name == t.columns[i].Name })
		if at < 0 {
			return fmt.Errorf("make table %s: the column %s is not there", t.quoted(), t.columns[i].Name)
		}
		t.columns[i].have, t.columns[i].oid = there[at].kind, there[at].oid
	}
	return nil
}
