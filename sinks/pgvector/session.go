package pgvector

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/internal/pgdsn"
)

// dialer opens sessions.
type dialer struct {
	dsn  string
	name string // shown in pg_stat_activity
}

// heldTime ends a transaction on the server whose client has fallen silent, so that its locks do not outlive it.
const heldTime = "60s"

func (d dialer) connect(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(pgdsn.Verified(d.dsn))
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = d.name
	}
	dialing := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	config.DialFunc = dialing.DialContext
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	// Not as parameters of the start: poolers refuse those. A commit that is not durable would be an ack that is not true (I3).
	err = conn.Exec(ctx, "SET timezone = 'UTC'; SET extra_float_digits = 1; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET idle_in_transaction_session_timeout = '"+heldTime+"';"+
		"SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')").Close()
	if err != nil {
		return nil, errors.Join(err, end(conn))
	}
	return conn, nil
}

// end closes a session and waits until nothing of it is left in this process.
func end(conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := conn.Close(ctx)
	<-conn.CleanupDone()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// sessions are for reading: as many as there are readers at a time, and a few kept for the next ones.
type sessions struct {
	dialer dialer

	mu     sync.Mutex
	idle   []*pgconn.PgConn
	closed bool
}

// idleMax is how many sessions wait for a reader.
const idleMax = 4

var errClosed = errors.New("the sink is closed")

// with runs fn in a session. A session that has failed is not used again. One that was idle may have been ended by
// the server meanwhile; then fn runs once more, in a new one.
func (s *sessions) with(ctx context.Context, fn func(conn *pgconn.PgConn) error) error {
	conn, fresh, err := s.take(ctx)
	if err != nil {
		return err
	}
	err = s.run(conn, fn)
	var server *pgconn.PgError
	if err == nil || fresh || ctx.Err() != nil || errors.As(err, &server) && !gone(server) {
		return err
	}
	if conn, err = s.dialer.connect(ctx); err != nil {
		return err
	}
	return s.run(conn, fn)
}

func (s *sessions) run(conn *pgconn.PgConn, fn func(conn *pgconn.PgConn) error) error {
	err := fn(conn)
	if conn.IsClosed() || conn.TxStatus() != 'I' {
		return errors.Join(err, end(conn))
	}
	s.mu.Lock()
	if keep := !s.closed && len(s.idle) < idleMax; keep {
		s.idle = append(s.idle, conn)
		conn = nil
	}
	s.mu.Unlock()
	if conn != nil {
		return errors.Join(err, end(conn))
	}
	return err
}

func (s *sessions) take(ctx context.Context) (conn *pgconn.PgConn, fresh bool, err error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false, errClosed
	}
	if n := len(s.idle); n > 0 {
		conn, s.idle = s.idle[n-1], s.idle[:n-1]
		s.mu.Unlock()
		return conn, false, nil
	}
	s.mu.Unlock()
	conn, err = s.dialer.connect(ctx)
	return conn, true, err
}

// close ends the sessions that wait. Those at work are ended by their readers.
func (s *sessions) close() error {
	s.mu.Lock()
	idle := s.idle
	s.idle, s.closed = nil, true
	s.mu.Unlock()
	var errs []error
	for _, conn := range idle {
		errs = append(errs, end(conn))
	}
	return errors.Join(errs...)
}
