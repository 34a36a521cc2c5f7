package pgvector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// statements write the rows of one table. They are prepared once in a session.
type statements struct {
	upsert, remove *pgconn.StatementDescription
	encoders       []encoder // by column
	forms          []textForm
}

// change is an effect on its way to the server, in memory of its own.
type change struct {
	stream.Effect
	vain bool // a later one of the same key has taken its place
}

// changes reads a range and leaves the last effect of each key. What the record covers has been written, and may have
// been overtaken since (I3).
func (w *writer) changes(txn *stream.Txn, h held) (all []change, position string, err error) {
	at := make(map[string]int, txn.Count)
	for e, err := range txn.Effects {
		if err != nil {
			return nil, "", err
		}
		if e.Source != "" {
			position = e.Source
		}
		if e.Version&epochMask <= h.epoch {
			continue
		}
		if err := w.unfit(&e); err != nil {
			return nil, "", err
		}
		e.Key, e.Row = slices.Clone(e.Key), slices.Clone(e.Row)
		k := string(append([]byte{byte(e.Collection >> 8), byte(e.Collection)}, e.Key...))
		if i, ok := at[k]; ok {
			all[i].vain = true
		}
		at[k] = len(all)
		all = append(all, change{Effect: e})
	}
	return slices.DeleteFunc(all, func(c change) bool { return c.vain }), position, nil
}

// errZero is why a vector cannot be put under a cosine: it has no direction, and no search would find it.
var errZero = errors.New("the vector has length zero")

// unfit rejects a row that the server would take and no search would ever find.
func (w *writer) unfit(e *stream.Effect) error {
	t := w.tables[e.Collection]
	if t.vector < 0 || e.Delete || w.sink.o.Metric != stream.Cosine {
		return nil
	}
	v := e.Row.At(t.columns[t.vector].field)
	if v.State == cdc.Set && bytes.Count(v.Raw, []byte{0}) == len(v.Raw) {
		return &stream.RejectError{Key: slices.Clone(e.Key), Code: "sink_rejected", Err: errZero}
	}
	return nil
}

// send writes a range row by row: all statements go out at once, and the answers are read behind them.
func (w *writer) send(ctx context.Context, txn *stream.Txn, h held) (written, error) {
	all, position, err := w.changes(txn, h)
	if err != nil {
		return written{}, err
	}
	if len(all) == 0 {
		return written{position: position}, nil
	}
	if err := w.prepare(ctx); err != nil {
		return written{}, err
	}
	return w.pipe(ctx, all, position, nil)
}

// pipe writes effects in one round trip, behind what opens the transaction where it is not open yet.
func (w *writer) pipe(ctx context.Context, all []change, position string, g *guard) (written, error) {
	done := written{position: position}
	pipeline := w.session.conn.StartPipeline(ctx)
	g.queue(pipeline)
	for i := range all {
		if err := w.queue(pipeline, &all[i].Effect); err != nil {
			return done, errors.Join(err, pipeline.Close())
		}
	}
	err := pipeline.Sync()
	if err != nil {
		return done, errors.Join(err, pipeline.Close())
	}
	var passed []change
	if err = g.answers(pipeline); err == nil {
		passed, err = w.answers(pipeline, all, &done)
	}
	if err = errors.Join(err, pipeline.Close()); err != nil {
		return done, err
	}
	for _, c := range passed {
		if err := w.foreign(ctx, &c.Effect); err != nil {
			return done, err
		}
	}
	return done, nil
}

// answers reads what became of each effect. passed are the upserts that changed nothing: the row is as new as they
// are, or it is somebody else's.
func (w *writer) answers(pipeline *pgconn.Pipeline, all []change, done *written) (passed []change, err error) {
	for i := range all {
		result, err := answer(pipeline)
		if err != nil {
			return nil, rejected(&all[i].Effect, err)
		}
		switch rows := result.CommandTag.RowsAffected(); {
		case all[i].Delete:
			done.gained -= rows
		case rows == 0:
			passed = append(passed, all[i])
		case string(result.Rows[0][0]) == "t":
			done.gained++
		}
	}
	return passed, nil
}

// answer reads what has become of one statement.
func answer(pipeline *pgconn.Pipeline) (*pgconn.Result, error) {
	results, err := pipeline.GetResults()
	if err != nil {
		return nil, err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("read an answer: it is of kind %T", results)
	}
	result := reader.Read()
	return result, result.Err
}

// rejected names the row that the server will never take.
func rejected(e *stream.Effect, err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && refuses(server) {
		return &stream.RejectError{Key: e.Key, Code: "sink_rejected", Err: err}
	}
	return err
}

// errForeign is why a row cannot be written whose key a row of somebody else has.
var errForeign = errors.New("a row that is not Freshet's has its key")

// foreign rejects an upsert whose key belongs to a row that is not Freshet's.
func (w *writer) foreign(ctx context.Context, e *stream.Effect) error {
	t := w.tables[e.Collection]
	s := w.session.prepared[e.Collection]
	var where []string
	for i, name := range t.names(t.key) {
		where = append(where, fmt.Sprintf("%s = $%d", name, i+1))
	}
	values, formats, err := t.keyValues(s, e)
	if err != nil {
		return err
	}
	result := w.session.conn.ExecParams(ctx, fmt.Sprintf("SELECT 1 FROM %s WHERE %s AND %s IS NULL", t.quoted(), strings.Join(where, " AND "), versionColumn),
		values, nil, formats, nil).Read()
	if result.Err == nil && len(result.Rows) > 0 {
		return &stream.RejectError{Key: e.Key, Code: "foreign_row", Err: errForeign}
	}
	return result.Err
}

// queue adds the statement of an effect.
func (w *writer) queue(pipeline *pgconn.Pipeline, e *stream.Effect) error {
	t, s := w.tables[e.Collection], w.session.prepared[e.Collection]
	if e.Delete {
		values, formats, err := t.keyValues(s, e)
		if err != nil {
			return err
		}
		pipeline.SendQueryPrepared(s.remove.Name, append(values, strconv.AppendUint(nil, e.Version, 10)), append(formats, 0), nil)
		return nil
	}
	values, formats, err := t.values(s, e)
	if err != nil {
		return err
	}
	pipeline.SendQueryPrepared(s.upsert.Name, append(values, strconv.AppendUint(nil, e.Version, 10), []byte(e.Source)), append(formats, 0, 0), []int16{0})
	return nil
}

// prepare makes the statements of all tables, where this session lacks them.
func (w *writer) prepare(ctx context.Context) error {
	if w.session.prepared != nil {
		return nil
	}
	if err := w.session.conn.Exec(ctx, "DEALLOCATE ALL").Close(); err != nil {
		return err
	}
	var prepared []*statements
	for i, t := range w.tables {
		s := &statements{}
		for c := range t.columns {
			s.encoders = append(s.encoders, encoderOf(&t.columns[c], t.vectorOID()))
			s.forms = append(s.forms, formOf(&t.columns[c], c == t.vector))
		}
		var err error
		if s.upsert, err = w.session.conn.Prepare(ctx, fmt.Sprintf("upsert_%d", i), t.upsert("VALUES ("+placeholders(1, len(t.columns)+2)+")")+" RETURNING xmax = 0", nil); err != nil {
			return err
		}
		if s.remove, err = w.session.conn.Prepare(ctx, fmt.Sprintf("remove_%d", i), t.remove(), nil); err != nil {
			return err
		}
		prepared = append(prepared, s)
	}
	if err := w.prepareGuard(ctx); err != nil {
		return err
	}
	w.session.prepared = prepared
	return nil
}

// vectorOID is the type of the searched column where it has a binary form.
func (t *table) vectorOID() uint32 {
	if t.vector < 0 || strings.Contains(t.columns[t.vector].have, "halfvec") {
		return 0
	}
	return t.columns[t.vector].oid
}

func placeholders(from, count int) string {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

// upsert is the statement that writes rows from anywhere. It leaves alone what is as new, and what has no version.
// An equal vector is put back as it lies there, so that the row's update touches neither the index nor the vector's
// own pages.
func (t *table) upsert(from string) string {
	names := t.names(t.all())
	var sets []string
	for _, c := range t.rest() {
		name := quote(t.columns[c].Name)
		set := name + " = EXCLUDED." + name
		if c == t.vector {
			set = fmt.Sprintf("%[1]s = CASE WHEN t.%[1]s = EXCLUDED.%[1]s THEN t.%[1]s ELSE EXCLUDED.%[1]s END", name)
		}
		sets = append(sets, set)
	}
	sets = append(sets, fmt.Sprintf("%[1]s = EXCLUDED.%[1]s, %[2]s = EXCLUDED.%[2]s", versionColumn, sourceColumn))
	return fmt.Sprintf("INSERT INTO %s AS t (%s, %s, %s) %s ON CONFLICT (%s) DO UPDATE SET %s WHERE t.%s < EXCLUDED.%s",
		t.quoted(), strings.Join(names, ", "), versionColumn, sourceColumn, from, strings.Join(t.names(t.key), ", "), strings.Join(sets, ", "), versionColumn, versionColumn)
}

// remove is the statement that deletes a row by its key.
func (t *table) remove() string {
	var where []string
	for i, name := range t.names(t.key) {
		where = append(where, fmt.Sprintf("%s = $%d", name, i+1))
	}
	return fmt.Sprintf("DELETE FROM %s WHERE %s AND %s <= $%d", t.quoted(), strings.Join(where, " AND "), versionColumn, len(t.key)+1)
}

// values are the columns of an upsert.
func (t *table) values(s *statements, e *stream.Effect) (values [][]byte, formats []int16, err error) {
	var parts []cdc.KeyPart
	for i := range t.columns {
		v := cdc.Value{State: cdc.Null}
		if c := &t.columns[i]; c.field >= 0 {
			v = e.Row.At(c.field)
		} else {
			if parts == nil {
				if parts, err = e.Key.Parts(); err != nil {
					return nil, nil, err
				}
			}
			v = partValue(parts, c.part)
		}
		value, format := t.value(s, i, v)
		values, formats = append(values, value), append(formats, format)
	}
	return values, formats, nil
}

// keyValues are the columns of the key.
func (t *table) keyValues(s *statements, e *stream.Effect) (values [][]byte, formats []int16, err error) {
	parts, err := e.Key.Parts()
	if err != nil {
		return nil, nil, err
	}
	for _, k := range t.key {
		value, format := t.value(s, k, partValue(parts, t.columns[k].part))
		values, formats = append(values, value), append(formats, format)
	}
	return values, formats, nil
}

func partValue(parts []cdc.KeyPart, at int) cdc.Value {
	if at >= len(parts) || parts[at].Null {
		return cdc.Value{State: cdc.Null}
	}
	return cdc.Value{Raw: parts[at].Raw}
}

// value encodes one column, in binary form where there is one for it.
func (t *table) value(s *statements, i int, v cdc.Value) (value []byte, format int16) {
	if v.State != cdc.Set {
		return nil, 0
	}
	if encode := s.encoders[i]; encode != nil {
		if value, ok := encode([]byte{}, v); ok {
			return value, 1
		}
	}
	return appendText([]byte{}, &t.columns[i].Type, v, s.forms[i]), 0
}
