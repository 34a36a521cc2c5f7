package pgvector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// stageTable holds a large range on the server before it is merged into a table.
const stageTable = "freshet_stage"

// load writes a large range: it is copied into a table of the transaction, and merged from there. Memory does not grow
// with the range (I9).
func (w *writer) load(ctx context.Context, txn *stream.Txn, h held) (written, error) {
	done := written{}
	if err := w.prepare(ctx); err != nil {
		return done, err
	}
	for i, t := range w.tables {
		feed := &feed{table: t, statements: w.session.prepared[i], collection: i, held: h, position: &done.position, unfit: w.unfit}
		feed.binary = !slices.ContainsFunc(feed.statements.encoders, func(e encoder) bool { return e == nil })
		if err := w.stage(ctx, txn, feed); err != nil {
			return done, err
		}
		if feed.number == 0 {
			continue
		}
		gained, err := w.merge(ctx, t)
		if err != nil {
			return done, err
		}
		done.gained += gained
	}
	return done, nil
}

// stage copies the effects of one table.
func (w *writer) stage(ctx context.Context, txn *stream.Txn, f *feed) error {
	names := strings.Join(f.table.names(f.table.all()), ", ")
	if err := w.session.conn.Exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS pg_temp.%[1]s; CREATE TEMP TABLE %[1]s ON COMMIT DROP AS SELECT %[2]s, %[3]s, %[4]s, 0::bigint AS freshet_number, false AS freshet_deleted FROM %[5]s WITH NO DATA",
		stageTable, names, versionColumn, sourceColumn, f.table.quoted())).Close(); err != nil {
		return err
	}
	next, stop := iter.Pull2(txn.Effects)
	defer stop()
	f.next = next
	format := "text"
	if f.binary {
		format = "binary"
	}
	l := &leash{feed: f}
	_, err := w.session.conn.CopyFrom(ctx, l, fmt.Sprintf("COPY pg_temp.%s FROM STDIN (FORMAT %s)", stageTable, format))
	l.pull()
	if f.err != nil {
		return f.err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) && refuses(server) {
		return f.culprit(txn, server)
	}
	return err
}

// merge brings the last effect of each staged key into the table.
func (w *writer) merge(ctx context.Context, t *table) (gained int64, err error) {
	keys := t.names(t.key)
	var same, joined []string
	for _, k := range keys {
		same = append(same, "t."+k+" = s."+k)
		joined = append(joined, "o."+k+" = s."+k)
	}
	conn := w.session.conn
	later := fmt.Sprintf("DELETE FROM pg_temp.%[1]s s USING pg_temp.%[1]s o WHERE %[2]s AND o.freshet_number > s.freshet_number", stageTable, strings.Join(joined, " AND "))
	if err := conn.Exec(ctx, fmt.Sprintf("ANALYZE pg_temp.%s; %s", stageTable, later)).Close(); err != nil {
		return 0, err
	}
	result := conn.ExecParams(ctx, fmt.Sprintf("DELETE FROM %s t USING pg_temp.%s s WHERE s.freshet_deleted AND %s AND t.%s <= s.%s", t.quoted(), stageTable, strings.Join(same, " AND "), versionColumn, versionColumn),
		nil, nil, nil, nil).Read()
	if result.Err != nil {
		return 0, result.Err
	}
	gained = -result.CommandTag.RowsAffected()
	from := fmt.Sprintf("SELECT %s, %s, %s FROM pg_temp.%s s WHERE NOT freshet_deleted ORDER BY freshet_number", strings.Join(t.names(t.all()), ", "), versionColumn, sourceColumn, stageTable)
	rows, err := query(ctx, conn, fmt.Sprintf("WITH done AS (%s RETURNING xmax = 0 AS fresh) SELECT count(*) FILTER (WHERE fresh), count(*), (SELECT count(*) FROM pg_temp.%s WHERE NOT freshet_deleted) FROM done", t.upsert(from), stageTable))
	if err != nil {
		return 0, err
	}
	fresh, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
	if err == nil && string(rows[0][1]) != string(rows[0][2]) {
		err = w.foreignStaged(ctx, t, same)
	}
	return gained + fresh, err
}

// foreignStaged rejects the first staged row whose key belongs to a row that is not Freshet's.
func (w *writer) foreignStaged(ctx context.Context, t *table, same []string) error {
	list, formats := t.selectList(t.key)
	result := w.session.conn.ExecParams(ctx, fmt.Sprintf("SELECT %s FROM %s t WHERE t.%s IS NULL AND EXISTS (SELECT 1 FROM pg_temp.%s s WHERE NOT s.freshet_deleted AND %s) LIMIT 1",
		list, t.quoted(), versionColumn, stageTable, strings.Join(same, " AND ")), nil, nil, nil, formats).Read()
	if result.Err != nil || len(result.Rows) == 0 {
		return result.Err
	}
	key, err := t.decodeKey(result.Rows[0])
	if err != nil {
		return err
	}
	return &stream.RejectError{Key: key, Code: "foreign_row", Err: errForeign}
}

// leash stands between a session and a feed. A session that breaks during a COPY returns while its goroutine may still
// be reading, and the effects must not be touched behind the caller's back.
type leash struct {
	mu   sync.Mutex
	feed io.Reader // nil: the COPY is over
}

var errOver = errors.New("the copy is over")

// Read implements io.Reader.
func (l *leash) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feed == nil {
		return 0, errOver
	}
	return l.feed.Read(p)
}

// pull takes the feed away, once a read that is under way has ended.
func (l *leash) pull() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feed = nil
}

// feed is the stream of a COPY: the effects of one table, in the server's text or binary form.
type feed struct {
	table      *table
	statements *statements
	collection int
	held       held
	binary     bool
	next       func() (stream.Effect, error, bool)
	position   *string
	unfit      func(e *stream.Effect) error

	number int // rows given so far
	buffer []byte
	ended  bool
	err    error // of the effects, or a row that this form cannot hold
}

// feedBytes is about how much is given to the session at a time.
const feedBytes = 64 << 10

// Read implements io.Reader.
func (f *feed) Read(p []byte) (int, error) {
	for len(f.buffer) < min(len(p), feedBytes) && !f.ended {
		if f.number == 0 && f.buffer == nil && f.binary {
			f.buffer = append(f.buffer, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
		}
		e, err, ok := f.next()
		switch {
		case err != nil:
			f.err = err
		case !ok:
			f.ended = true
			if f.binary {
				f.buffer = append(f.buffer, 0xff, 0xff)
			}
		case e.Collection == f.collection && e.Version&epochMask > f.held.epoch:
			if f.err = f.unfit(&e); f.err == nil {
				f.err = f.add(&e)
			}
		}
		if f.err != nil {
			return 0, f.err
		}
		if ok && e.Source != "" {
			*f.position = e.Source
		}
	}
	n := copy(p, f.buffer)
	f.buffer = append(f.buffer[:0], f.buffer[n:]...)
	if n == 0 && f.ended {
		return 0, io.EOF
	}
	return n, nil
}

// add appends the line or tuple of an effect.
func (f *feed) add(e *stream.Effect) error {
	f.number++
	t := f.table
	var parts []cdc.KeyPart
	var err error
	if parts, err = e.Key.Parts(); err != nil {
		return err
	}
	if f.binary {
		f.buffer = binary.BigEndian.AppendUint16(f.buffer, uint16(len(t.columns)+4))
	}
	for i := range t.columns {
		v := cdc.Value{State: cdc.Null}
		if c := &t.columns[i]; c.part >= 0 && (e.Delete || c.field < 0) {
			v = partValue(parts, c.part)
		} else if !e.Delete {
			v = e.Row.At(c.field)
		}
		if !f.field(i, v) {
			return &stream.RejectError{Key: slices.Clone(e.Key), Code: "sink_rejected", Err: fmt.Errorf("the value of %s does not fit into %s", t.columns[i].Name, t.columns[i].have)}
		}
	}
	if f.binary {
		f.buffer = binary.BigEndian.AppendUint64(append(f.buffer, 0, 0, 0, 8), e.Version)
		f.buffer = append(binary.BigEndian.AppendUint32(f.buffer, uint32(len(e.Source))), e.Source...)
		f.buffer = binary.BigEndian.AppendUint64(append(f.buffer, 0, 0, 0, 8), uint64(f.number))
		f.buffer = append(f.buffer, 0, 0, 0, 1, boolByte(e.Delete))
		return nil
	}
	f.buffer = append(strconv.AppendUint(f.buffer, e.Version, 10), '\t')
	f.buffer = append(appendEscaped(f.buffer, []byte(e.Source)), '\t')
	f.buffer = append(strconv.AppendInt(f.buffer, int64(f.number), 10), '\t')
	f.buffer = append(strconv.AppendBool(f.buffer, e.Delete), '\n')
	return nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// field appends one column. It reports whether the form can hold it.
func (f *feed) field(i int, v cdc.Value) bool {
	switch {
	case f.binary && v.State != cdc.Set:
		f.buffer = append(f.buffer, 0xff, 0xff, 0xff, 0xff)
	case f.binary:
		at := len(f.buffer)
		var ok bool
		f.buffer, ok = f.statements.encoders[i](append(f.buffer, 0, 0, 0, 0), v)
		binary.BigEndian.PutUint32(f.buffer[at:], uint32(len(f.buffer)-at-4))
		return ok
	case v.State != cdc.Set:
		f.buffer = append(f.buffer, '\\', 'N', '\t')
	default:
		f.buffer = appendEscaped(f.buffer, appendText(nil, &f.table.columns[i].Type, v, f.statements.forms[i]))
		f.buffer = append(f.buffer, '\t')
	}
	return true
}

// appendEscaped writes a value of COPY's text form.
func appendEscaped(dst, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '\\':
			dst = append(dst, '\\', '\\')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// lineOf finds in the server's context the row of a COPY that it refuses.
var lineOf = regexp.MustCompile(`line (\d+)`)

// culprit names the effect whose row the server refuses.
func (f *feed) culprit(txn *stream.Txn, server *pgconn.PgError) error {
	refused := &stream.RejectError{Code: "sink_rejected", Err: server}
	found := lineOf.FindStringSubmatch(server.Where)
	if found == nil {
		return refused
	}
	line, err := strconv.Atoi(found[1])
	if err != nil {
		return refused
	}
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		if e.Collection != f.collection || e.Version&epochMask <= f.held.epoch {
			continue
		}
		if line--; line == 0 {
			refused.Key = slices.Clone(e.Key)
			break
		}
	}
	return refused
}
