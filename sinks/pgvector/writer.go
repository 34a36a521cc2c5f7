package pgvector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// session is the one that writes. It belongs to Apply.
type session struct {
	conn     *pgconn.PgConn
	prepared []*statements // by collection; nil: not yet in this session
	left     *held         // the record as the last commit of this session has left it; nil: not known
	// broken are sessions that failed: each takes a moment to tell the server, if it can be reached. Nobody waits for
	// that but Close.
	broken []*pgconn.PgConn
}

// abandon gives up the present session.
func (s *session) abandon() {
	s.broken = slices.DeleteFunc(append(s.broken, s.conn), func(c *pgconn.PgConn) bool {
		select {
		case <-c.CleanupDone():
			return true
		default:
			return false
		}
	})
	s.conn, s.prepared, s.left = nil, nil, nil
}

// close ends the session, and waits for those that were given up.
func (s *session) close() error {
	var err error
	if s.conn != nil {
		err = end(s.conn)
	}
	for _, c := range s.broken {
		<-c.CleanupDone()
	}
	s.conn, s.broken = nil, nil
	return err
}

// writer is an opened sink.
type writer struct {
	sink     *Sink
	target   stream.Target
	progress stream.Progress
	table    string // the progress table, in SQL
	version  string // of the extension vector
	readers  sessions
	rows     atomic.Int64

	session session
	tables  []*table
	opened  []string // by table: its file, when it was opened

	mu      sync.Mutex
	indexed bool      // every table has its index
	loaded  time.Time // when the last range came that was a load

	making sync.Mutex // held while indexes are looked at and made
}

var (
	_ stream.Counter = (*writer)(nil)
	_ stream.Lister  = (*writer)(nil)
	_ stream.Runner  = (*writer)(nil)
)

// Progress implements stream.Writer.
func (w *writer) Progress() stream.Progress { return w.progress }

// Rows implements stream.Counter.
func (w *writer) Rows() int64 { return w.rows.Load() }

// Close implements stream.Writer.
func (w *writer) Close() error {
	return errors.Join(w.session.close(), w.readers.close())
}

// loadRows is the number of effects from which on a range is copied into the server instead of being sent row by row.
const loadRows = 500

// loadBytes is the size of the effects from which on it is copied as well: what is sent row by row is held in memory.
const loadBytes = 8 << 20

// epochMask cuts the epoch out of a version.
const epochMask = 1<<40 - 1

// Apply implements stream.Writer: the rows and the record in one transaction (I3, I8).
func (w *writer) Apply(ctx context.Context, txn *stream.Txn) error {
	limit := w.sink.o.Timeout + time.Duration(txn.Bytes>>24)*w.sink.o.Timeout
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := w.apply(bounded, txn)
	if err != nil {
		err = w.failed(bounded, err)
	}
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("wait for the server for %s: %w", limit, err)
	}
	return err
}

// failed gives the session back to its start, or up, and says what an error means to the engine.
func (w *writer) failed(ctx context.Context, err error) error {
	if c := w.session.conn; c != nil && !c.IsClosed() && c.TxStatus() != 'I' {
		// Where this fails as well, the session is at its end.
		if c.Exec(ctx, "ROLLBACK").Close() != nil || c.TxStatus() != 'I' {
			_ = end(c)
		}
	}
	if c := w.session.conn; c != nil && c.IsClosed() {
		w.session.abandon()
	}
	var server *pgconn.PgError
	var reject *stream.RejectError
	switch {
	case errors.As(err, &reject), errors.Is(err, stream.ErrFenced), errors.Is(err, stream.ErrLost):
		return err
	case !errors.As(err, &server):
	case vanished(server):
		return fmt.Errorf("write %s: %w: %w", w.target.Sink, err, stream.ErrLost)
	case server.Code == "25006" && w.session.conn != nil:
		// It has become a standby. The next session finds the primary, where the dsn names several hosts.
		_ = end(w.session.conn)
		w.session.abandon()
	case refuses(server):
		return &stream.RejectError{Code: "sink_rejected", Err: err}
	}
	return describe(err) // somebody has to mend it, and may do so while the flow runs
}

// held is what the record says, and the lock on it that the transaction has until its end.
type held struct {
	epoch uint64
	rows  int64
}

func (w *writer) apply(ctx context.Context, txn *stream.Txn) error {
	if txn.Generation < w.progress.Generation {
		return fmt.Errorf("write %s: generation %d, the table has %d: %w", w.target.Sink, txn.Generation, w.progress.Generation, stream.ErrFenced)
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	h, done, err := w.write(ctx, txn)
	if err != nil {
		return err
	}
	rows := h.rows + done.gained
	w.session.left = nil
	if err := w.commit(ctx, txn.Last, done.position, rows); err != nil {
		return err
	}
	w.session.left = &held{epoch: max(h.epoch, txn.Last), rows: rows}
	w.rows.Store(rows)
	w.mu.Lock()
	if txn.Count >= loadRows {
		w.loaded = time.Now()
	}
	due := !w.indexed && txn.Count < loadRows && rows <= rowsBetween
	w.mu.Unlock()
	if due && w.making.TryLock() {
		defer w.making.Unlock()
		// The load, if there was one, is over. A failure here is no failure of the range: it is tried again.
		if err := w.index(ctx, w.session.conn, rows, rowsBetween); err != nil {
			w.sink.o.Logger.Warn("the index over the vectors cannot be made yet", "sink", w.target.Sink, "err", err)
		}
	}
	return nil
}

// write opens the transaction and writes the effects.
func (w *writer) write(ctx context.Context, txn *stream.Txn) (h held, done written, err error) {
	load := txn.Count >= loadRows || txn.Bytes >= loadBytes
	if !load {
		if h, done, err = w.resume(ctx, txn); !errors.Is(err, errOvertaken) {
			return h, done, err
		}
	}
	if h, err = w.begin(ctx); err != nil {
		return h, done, err
	}
	if load {
		done, err = w.load(ctx, txn, h)
	} else {
		done, err = w.send(ctx, txn, h)
	}
	return h, done, err
}

// written is what a range has come to.
type written struct {
	gained   int64  // rows more than before
	position string // source position of its last effect
}

// connect opens the session again where it has broken.
func (w *writer) connect(ctx context.Context) error {
	if c := w.session.conn; c != nil {
		if !c.IsClosed() {
			return nil
		}
		w.session.abandon()
	}
	conn, err := w.readers.dialer.connect(ctx)
	if err != nil {
		return describe(err)
	}
	w.session.conn, w.session.prepared, w.session.left = conn, nil, nil
	return nil
}

// begin starts the transaction, locks the record and compares it with what this opening knows.
func (w *writer) begin(ctx context.Context) (held, error) {
	oids := make([]string, len(w.tables))
	for i, t := range w.tables {
		oids[i] = strconv.FormatUint(uint64(t.oid), 10)
	}
	// The lock on the record comes before any other, as in openings: two that wait for each other would both have to end.
	results, err := w.session.conn.Exec(ctx, fmt.Sprintf("BEGIN; "+
		"SELECT generation, state, epoch, rows FROM %[1]s WHERE flow = %[2]s AND sink = %[3]s AND instance = %[4]d FOR UPDATE; "+
		"SELECT n.nspname, c.relname, pg_relation_filenode(c.oid) FROM unnest('{%[5]s}'::oid[]) WITH ORDINALITY o(id, at) LEFT JOIN pg_class c ON c.oid = o.id LEFT JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY o.at",
		w.table, literal(w.target.Flow), literal(w.target.Sink), w.target.Instance, strings.Join(oids, ","))).ReadAll()
	if err != nil {
		return held{}, err
	}
	h, err := w.fenced(ctx, results[1].Rows)
	if err != nil {
		return h, err
	}
	return h, w.present(ctx, results[2].Rows, h)
}

// fenced makes sure that the record is this opening's.
func (w *writer) fenced(ctx context.Context, rows [][][]byte) (held, error) {
	if len(rows) == 0 {
		// Another opening has taken the tables over, or somebody has emptied the progress table.
		newer, err := value(ctx, w.session.conn, fmt.Sprintf("SELECT max(generation) FROM %s WHERE flow = %s AND sink = %s", w.table, literal(w.target.Flow), literal(w.target.Sink)))
		if err != nil {
			return held{}, err
		}
		if newer != "" {
			return held{}, fmt.Errorf("write %s: generation %s has taken its place: %w", w.target.Sink, newer, stream.ErrFenced)
		}
		return held{}, fmt.Errorf("write %s: its row in %s is gone: %w", w.target.Sink, w.table, stream.ErrLost)
	}
	row := rows[0]
	generation, err1 := strconv.ParseUint(string(row[0]), 10, 64)
	epoch, err2 := strconv.ParseUint(string(row[2]), 10, 64)
	count, err3 := strconv.ParseInt(string(row[3]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return held{}, err
	}
	if generation != w.progress.Generation || string(row[1]) != w.target.State {
		return held{}, fmt.Errorf("write %s: generation %d, the table has %d: %w", w.target.Sink, w.progress.Generation, generation, stream.ErrFenced)
	}
	return held{epoch: epoch, rows: count}, nil
}

// present makes sure that the tables are those that were opened. A swap gives them another name; whoever empties one
// leaves it another file.
func (w *writer) present(ctx context.Context, rows [][][]byte, h held) error {
	total, recount := int64(0), false
	for i, t := range w.tables {
		if rows[i][0] == nil {
			return fmt.Errorf("write %s: the table %s is gone: %w", w.target.Sink, t.quoted(), stream.ErrLost)
		}
		if schema, name := string(rows[i][0]), string(rows[i][1]); schema != t.schema || name != t.name {
			t.schema, t.name = schema, name
			w.session.prepared = nil
		}
		filenode, err := strconv.ParseUint(string(rows[i][2]), 10, 32)
		if err != nil {
			return err
		}
		recount = recount || uint32(filenode) != t.filenode
		t.filenode = uint32(filenode)
	}
	if !recount {
		return nil
	}
	w.session.prepared = nil // resume asks for the file
	for _, t := range w.tables {
		n, err := count(ctx, w.session.conn, t)
		if err != nil {
			return err
		}
		total += n
	}
	if total < h.rows { // I10
		return fmt.Errorf("write %s: %d rows are left of %d: %w", w.target.Sink, total, h.rows, stream.ErrLost)
	}
	return nil
}

// commit writes the record and ends the transaction. After an error nobody knows whether it has come to its end, and
// the range is applied again (I3).
func (w *writer) commit(ctx context.Context, last uint64, position string, rows int64) error {
	sets := fmt.Sprintf("rows = %d, applied = clock_timestamp()", rows)
	if last > 0 {
		sets += fmt.Sprintf(", epoch = greatest(epoch, %d)", last)
		if position != "" {
			sets += ", position = " + literal(position)
		}
	}
	return w.session.conn.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s WHERE flow = %s AND sink = %s AND instance = %d; COMMIT",
		w.table, sets, literal(w.target.Flow), literal(w.target.Sink), w.target.Instance)).Close()
}

// Keys implements stream.Lister: in a session of its own, so that what fn has been told is not told it again.
func (w *writer) Keys(ctx context.Context, fn func(collection int, key string) error) error {
	conn, err := w.readers.dialer.connect(ctx)
	if err != nil {
		return describe(err)
	}
	err = conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").Close()
	for i, t := range w.tables {
		if err == nil {
			err = w.keysOf(ctx, conn, t, func(key string) error { return fn(i, key) })
		}
	}
	return errors.Join(err, end(conn))
}

func (w *writer) keysOf(ctx context.Context, conn *pgconn.PgConn, t *table, fn func(key string) error) error {
	list, formats := t.selectList(t.key)
	name, err := t.relation(ctx, conn)
	if err != nil {
		return err
	}
	rows := conn.ExecParams(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NOT NULL", list, name, versionColumn), nil, nil, nil, formats)
	for rows.NextRow() {
		key, err := t.decodeKey(rows.Values())
		if err == nil {
			err = fn(key.Text())
		}
		if err != nil {
			_, closing := rows.Close()
			return errors.Join(err, closing)
		}
	}
	_, err = rows.Close()
	return err
}

// relation is the present name of a table, for readers: a swap may rename it, and the name that Apply goes by is
// Apply's alone. Of one that is gone the server would give its number.
func (t *table) relation(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	name, err := value(ctx, conn, "SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = $1::oid", strconv.FormatUint(uint64(t.oid), 10))
	if err == nil && name == "" {
		err = t.gone()
	}
	return name, err
}

// gone is the error of a table that somebody has dropped.
func (t *table) gone() error { return fmt.Errorf("the table %s is gone: %w", t.as, stream.ErrLost) }
