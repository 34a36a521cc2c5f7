package pgvector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// progressTable holds the records, in the schema of the tables that they are about. People read it as well: which
// source position a sink holds stands in it.
const progressTable = "freshet_progress"

// record is a row of the progress table.
type record struct {
	Flow, Sink string
	Instance   uint32
	State      string
	Generation uint64
	Epoch      uint64
	Rows       int64
	Tables     []madeTable
}

// madeTable is how a table was made, so that a change by somebody else can be told from a change of the flow.
type madeTable struct {
	Collection string       `json:"collection"`
	Schema     string       `json:"schema"`
	Name       string       `json:"name"`
	As         string       `json:"as"` // its name once it stands alone
	OID        uint32       `json:"oid"`
	Key        []string     `json:"key"`
	Columns    []madeColumn `json:"columns"`
}

// madeColumn is a column as it was asked for and as the server calls its type.
type madeColumn struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Have string `json:"have"`
}

func (m *madeTable) column(name string) *madeColumn {
	for i := range m.Columns {
		if m.Columns[i].Name == name {
			return &m.Columns[i]
		}
	}
	return nil
}

func (r *record) table(schema, name string) *madeTable {
	if r == nil {
		return nil
	}
	for i := range r.Tables {
		if r.Tables[i].Schema == schema && r.Tables[i].Name == name {
			return &r.Tables[i]
		}
	}
	return nil
}

const makeProgress = `CREATE TABLE %s (flow text NOT NULL, sink text NOT NULL, instance bigint NOT NULL, state text NOT NULL, ` +
	`generation bigint NOT NULL, epoch bigint NOT NULL, position text NOT NULL DEFAULT '', rows bigint NOT NULL, applied timestamptz, ` +
	`tables jsonb NOT NULL, format integer NOT NULL DEFAULT 1, PRIMARY KEY (flow, sink, instance))`

// format is that of the records that are written here. Newer ones are refused, not guessed at.
const format = 1

// records reads the records of a schema: those of this sink, which it locks as every range does first, and the tables
// of all others.
func (o *opening) records(ctx context.Context) error {
	o.progress = quote(o.schema) + "." + quote(progressTable)
	there, err := value(ctx, o.conn, "SELECT to_regclass($1)::text", o.progress)
	if err != nil {
		return err
	}
	if there == "" {
		statement := fmt.Sprintf(makeProgress, o.progress)
		if o.sink.o.Unmanaged {
			return unmade(progressTable, statement)
		}
		if err := o.define(ctx, statement); err != nil {
			return err
		}
	}
	if err := o.exec(ctx, fmt.Sprintf("SELECT FROM %s WHERE flow = %s AND sink = %s ORDER BY instance FOR UPDATE", o.progress, literal(o.target.Flow), literal(o.target.Sink))); err != nil {
		return err
	}
	rows, err := query(ctx, o.conn, "SELECT flow, sink, instance, state, generation, epoch, rows, tables, format FROM "+o.progress+" ORDER BY instance")
	if err != nil {
		return err
	}
	for _, row := range rows {
		r := &record{Flow: string(row[0]), Sink: string(row[1]), State: string(row[3])}
		instance, err1 := strconv.ParseUint(string(row[2]), 10, 32)
		generation, err2 := strconv.ParseUint(string(row[4]), 10, 64)
		epoch, err3 := strconv.ParseUint(string(row[5]), 10, 64)
		count, err4 := strconv.ParseInt(string(row[6]), 10, 64)
		err5 := json.Unmarshal(row[7], &r.Tables)
		written, err6 := strconv.Atoi(string(row[8]))
		if err6 == nil && written > format {
			return &stream.Problem{Code: "state_newer", Exit: 3, Field: "table", Message: fmt.Sprintf("%s has records of format %d; this freshet reads %d", o.progress, written, format),
				Hint: "run the version of freshet that wrote them, or a later one"}
		}
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			return damaged(o.progress, err)
		}
		r.Instance, r.Generation, r.Epoch, r.Rows = uint32(instance), generation, epoch, count
		switch {
		case r.Flow != o.target.Flow || r.Sink != o.target.Sink:
			o.others = append(o.others, r)
		case r.Instance == o.target.Instance && r.State == o.target.State:
			o.own = r
		case o.target.Beside != 0 && r.Instance == o.target.Beside && r.State == o.target.State:
			o.beside = r
		default:
			o.former = append(o.former, r)
		}
	}
	return nil
}

// put writes the record of this opening in place of what was superseded.
func (o *opening) put(ctx context.Context, r *record) error {
	for _, f := range o.former {
		if err := o.forget(ctx, f); err != nil {
			return err
		}
	}
	for _, t := range o.tables {
		made := madeTable{Collection: t.collection, Schema: t.schema, Name: t.name, As: t.as, OID: t.oid, Key: t.keyNames()}
		for i := range t.columns {
			c := &t.columns[i]
			made.Columns = append(made.Columns, madeColumn{Name: c.Name, Want: c.want, Have: c.have})
		}
		r.Tables = append(r.Tables, made)
	}
	tables, err := json.Marshal(r.Tables)
	if err != nil {
		return err
	}
	return o.exec(ctx, fmt.Sprintf("INSERT INTO %s (flow, sink, instance, state, generation, epoch, rows, tables) VALUES (%s, %s, %d, %s, %d, %d, %d, %s) "+
		"ON CONFLICT (flow, sink, instance) DO UPDATE SET state = EXCLUDED.state, generation = EXCLUDED.generation, epoch = EXCLUDED.epoch, rows = EXCLUDED.rows, tables = EXCLUDED.tables",
		o.progress, literal(r.Flow), literal(r.Sink), r.Instance, literal(r.State), r.Generation, r.Epoch, r.Rows, literal(string(tables))))
}

// keep writes how the tables of a record are called now.
func (o *opening) keep(ctx context.Context, r *record) error {
	tables, err := json.Marshal(r.Tables)
	if err != nil {
		return err
	}
	return o.exec(ctx, fmt.Sprintf("UPDATE %s SET tables = %s WHERE %s", o.progress, literal(string(tables)), r.where()))
}

// forget removes a record.
func (o *opening) forget(ctx context.Context, r *record) error {
	return o.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s", o.progress, r.where()))
}

// where is the condition that finds a record.
func (r *record) where() string {
	return fmt.Sprintf("flow = %s AND sink = %s AND instance = %d", literal(r.Flow), literal(r.Sink), r.Instance)
}

// taken reports a table that another sink has made.
func (o *opening) taken(t *table) error {
	for _, r := range o.others {
		if r.table(t.schema, t.name) != nil {
			return &stream.Problem{Code: "table_taken", Exit: 3, Field: "table", Message: fmt.Sprintf("the table %s belongs to the sink %s of the flow %s", t.name, r.Sink, r.Flow),
				Hint: fmt.Sprintf("name another table; or, if that sink is no more or has another name now: `DELETE FROM %s WHERE flow = '%s' AND sink = '%s'`", progressTable, r.Flow, r.Sink)}
		}
	}
	return nil
}

func damaged(table string, err error) error {
	return &stream.Problem{Code: "table_altered", Exit: 3, Field: "table", Message: fmt.Sprintf("%s cannot be read: %v", table, err),
		Hint: "`DROP TABLE " + table + "`: the next run finds the rows that are there and writes what differs, at no call"}
}

func unmade(name, statement string) error {
	return &stream.Problem{Code: "table_missing", Exit: 3, Field: "manage", Message: fmt.Sprintf("%s is not there, and manage is false", name),
		Hint: "run: `" + statement + "`, or set manage: true"}
}

// value is the first column of the first row, empty for NULL or no row.
func value(ctx context.Context, conn *pgconn.PgConn, sql string, arguments ...string) (string, error) {
	rows, err := query(ctx, conn, sql, arguments...)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return string(rows[0][0]), nil
}

// query runs a statement with arguments in text form.
func query(ctx context.Context, conn *pgconn.PgConn, sql string, arguments ...string) ([][][]byte, error) {
	parameters := make([][]byte, len(arguments))
	for i, a := range arguments {
		parameters[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, sql, parameters, nil, nil, nil).Read()
	return slices.Clip(result.Rows), result.Err
}
