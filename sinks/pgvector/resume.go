package pgvector

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// errOvertaken says that record or tables are not as the last commit of this session has left them, or that there was
// none.
var errOvertaken = errors.New("the record is not as it was left")

// Names of the statements of a guard.
const (
	beginStatement   = "freshet_begin"
	recordStatement  = "freshet_record"
	presentStatement = "freshet_present"
)

// guard begins a transaction that goes on from a record that is known. Its statements fail where record or tables
// are not so, and with them everything behind them: so they need not be answered before the rows are sent.
type guard struct {
	left held
}

// resume writes a range in the same round trip that opens its transaction. Where something is not as this session has
// left it, nothing is written and the error is errOvertaken: begin then says what it is.
func (w *writer) resume(ctx context.Context, txn *stream.Txn) (held, written, error) {
	s := &w.session
	if s.left == nil || s.prepared == nil {
		return held{}, written{}, errOvertaken
	}
	h := *s.left
	s.left = nil
	all, position, err := w.changes(txn, h)
	if err != nil {
		return h, written{}, err
	}
	done, err := w.pipe(ctx, all, position, &guard{left: h})
	if errors.Is(err, errOvertaken) {
		if err := s.conn.Exec(ctx, "ROLLBACK").Close(); err != nil {
			return h, done, err
		}
	}
	return h, done, err
}

// prepareGuard makes the statements of a guard. The record is locked before anything else, as begin does (I3).
// A division by zero is how SQL alone ends a pipeline.
func (w *writer) prepareGuard(ctx context.Context) error {
	record := fmt.Sprintf("SELECT 1 / count(*) FROM (SELECT FROM %s WHERE flow = %s AND sink = %s AND instance = %d AND generation = %d AND state = %s AND epoch = $1 AND rows = $2 FOR UPDATE) r",
		w.table, literal(w.target.Flow), literal(w.target.Sink), w.target.Instance, w.progress.Generation, literal(w.target.State))
	same := []string{"false"}
	for _, t := range w.tables {
		same = append(same, fmt.Sprintf("c.oid = %d AND n.nspname = %s AND c.relname = %s AND pg_relation_filenode(c.oid) = %d", t.oid, literal(t.schema), literal(t.name), t.filenode))
	}
	present := fmt.Sprintf("SELECT 1 / (count(*) = %d)::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE %s", len(w.tables), strings.Join(same, " OR "))
	for _, x := range [...]struct{ name, sql string }{{beginStatement, "BEGIN"}, {recordStatement, record}, {presentStatement, present}} {
		if _, err := w.session.conn.Prepare(ctx, x.name, x.sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// queue adds the statements; none where the transaction is open.
func (g *guard) queue(pipeline *pgconn.Pipeline) {
	if g == nil {
		return
	}
	pipeline.SendQueryPrepared(beginStatement, nil, nil, nil)
	pipeline.SendQueryPrepared(recordStatement, [][]byte{strconv.AppendUint(nil, g.left.epoch, 10), strconv.AppendInt(nil, g.left.rows, 10)}, nil, nil)
	pipeline.SendQueryPrepared(presentStatement, nil, nil, nil)
}

// answers reads theirs.
func (g *guard) answers(pipeline *pgconn.Pipeline) error {
	if g == nil {
		return nil
	}
	for range 3 {
		_, err := answer(pipeline)
		if server, ok := errors.AsType[*pgconn.PgError](err); ok && !gone(server) {
			return fmt.Errorf("%w: %w", errOvertaken, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
