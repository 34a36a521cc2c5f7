package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/pgdsn"
)

// appName is what the server shows of connections of this source.
const appName = "freshet"

// connectTime bounds one attempt to connect.
const connectTime = 15 * time.Second

// config reads the connection string. It is read at each connect, so that a password that stands in a
// file or a service may change.
func (o *Options) config(replication bool) (*pgconn.Config, error) {
	c, err := pgconn.ParseConfig(pgdsn.Verified(o.DSN))
	if err != nil {
		return nil, err
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
	}
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
	// What values look like as text must not depend on how a server, a database or a role is set.
	for name, value := range map[string]string{
		"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "3",
		"bytea_output": "hex", "xmloption": "content", "statement_timeout": "0", "synchronous_commit": "local", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
	} {
		c.RuntimeParams[name] = value
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = appName
	}
	if replication {
		c.RuntimeParams["replication"] = "database"
	}
	return c, nil
}

// connect opens a connection for SQL.
func (o *Options) connect(ctx context.Context) (*pgx.Conn, error) {
	plain, err := o.config(false)
	if err != nil {
		return nil, fmt.Errorf("read the connection string: %s", dsnFault(err))
	}
	c, err := pgx.ParseConfig(pgdsn.Verified(o.DSN))
	if err != nil {
		return nil, fmt.Errorf("read the connection string: %s", dsnFault(err))
	}
	c.Config = *plain
	// Behind a pooler a prepared statement may be another session's.
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, o.refused(err)
	}
	return conn, nil
}

// connectReplication opens a connection that takes replication commands, and the wire that its stream is read from.
func (o *Options) connectReplication(ctx context.Context) (*pgconn.PgConn, *wire, error) {
	c, err := o.config(true)
	if err != nil {
		return nil, nil, fmt.Errorf("read the connection string: %s", dsnFault(err))
	}
	var f *funnel // of the last attempt, as is w
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		f = newFunnel(raw)
		return f, nil
	}
	// Between the connection and what parses it, and not around the connection: authentication asks that for its TLS.
	var w *wire
	c.BuildFrontend = func(from io.Reader, to io.Writer) *pgproto3.Frontend {
		w = newWire(from)
		return pgproto3.NewFrontend(w, to)
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, nil, o.refused(err)
	}
	w.Conn, w.funnel = conn.Conn(), f
	return conn, w, nil
}

// SQLSTATE codes that decide what is done.
const (
	stateNoPrivilege   = "42501"
	stateUndefined     = "42704" // object
	stateInUse         = "55006"
	stateNotReady      = "55000" // object not in prerequisite state
	stateLimit         = "53400" // configuration limit exceeded
	stateMissingFile   = "58P01" // a WAL segment that was removed
	stateUnsupported   = "0A000"
	stateTooMany       = "53300" // connections
	stateObjectMissing = "42P01" // table
	stateLocked        = "55P03" // within the time that one was ready to wait
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// faulty reports whether the server understood a statement and finds it wrong, so that it will say the same again. A lock, a limit,
// a server that goes down and a caller that gives up say nothing of the statement.
func faulty(err error) bool {
	state := sqlState(err)
	return strings.HasPrefix(state, "42") || strings.HasPrefix(state, "22") || strings.HasPrefix(state, "0A")
}

// refused explains why no connection could be had. What only a person can mend is a *cdc.SourceError; the
// rest may pass.
func (o *Options) refused(err error) error {
	e, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return fmt.Errorf("connect to the server: %w", err)
	}
	c, err := e.Config, e.Unwrap()
	server := fmt.Sprintf("%s:%d", c.Host, c.Port)
	told := fmt.Errorf("connect to %s, database %s, user %s: %w", server, c.Database, c.User, once(server, err))
	code, hint := pgdsn.Refusal(c, err)
	if code == "" {
		return told
	}
	if refusal, _ := errors.AsType[*pgconn.PgError](err); refusal.Code == stateNoPrivilege && refusal.Routine != "CheckMyDatabase" { // the words are the server's language
		hint = o.grantReplication()
	}
	return &cdc.SourceError{Code: code, Err: told, Hint: hint}
}

// dialled is what an attempt says that reached nobody: its address, the host by its name, and the address again.
var dialled = regexp.MustCompile(`^(\S+) \([^)]*\): dial error: dial \w+ \S+: `)

// once says a thing once where several attempts to connect to a server, with TLS and without, end in the same words, and an address
// only where it is another than the server's.
func once(server string, err error) error {
	said := strings.Split(err.Error(), "\n")
	for i, line := range said {
		said[i] = strings.TrimPrefix(dialled.ReplaceAllString(line, "$1: "), server+": ")
	}
	slices.Sort(said)
	return &reason{strings.Join(slices.Compact(said), "; "), err}
}

// reason is an error in other words.
type reason struct {
	said string
	err  error
}

func (r *reason) Error() string { return r.said }

func (r *reason) Unwrap() error { return r.err }

// grantReplication is the SQL that lets the role of the connection string replicate.
func (o *Options) grantReplication() string {
	role := "the_role"
	if c, err := o.config(false); err == nil {
		role = quoted(c.User)
	}
	return "as a superuser: ALTER ROLE " + role + " REPLICATION"
}
