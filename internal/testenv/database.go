package testenv

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresDatabase is an empty database of one test. At the end of the test its sessions are ended, its
// replication slots dropped and then it is dropped itself.
type PostgresDatabase struct {
	Server *PostgresServer
	// Name is fit for SQL without quotes.
	Name string
}

// Database makes an empty database for the test.
func (s *PostgresServer) Database(t testing.TB) *PostgresDatabase {
	t.Helper()
	var number string
	conn := connect(t, s.DSN("postgres"))
	if err := conn.QueryRow(t.Context(), "SELECT count(*)::text || '_' || txid_current() FROM pg_database").Scan(&number); err != nil {
		t.Fatal(err)
	}
	d := &PostgresDatabase{Server: s, Name: fmt.Sprintf("t%08x_%s", crc32.ChecksumIEEE([]byte(t.Name())), number)}
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+d.Name); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process == nil || s.own {
			return // the whole server goes
		}
		if err := d.drop(); err != nil {
			t.Errorf("drop database %s: %v", d.Name, err)
		}
	})
	return d
}

// drop removes the database with what holds on to it. It has no test to bound it, so it takes 30 seconds at most.
func (d *PostgresDatabase) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.Server.DSN("postgres"))
	if err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", d.Name)
		if err == nil {
			_, err = conn.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1", d.Name)
		}
		if err == nil {
			_, err = conn.Exec(ctx, "DROP DATABASE "+d.Name+" WITH (FORCE)")
		}
		if err == nil {
			return conn.Close(ctx)
		}
		// A walsender that was told to end holds its slot a moment longer.
		select {
		case <-ctx.Done():
			return errors.Join(err, conn.Close(ctx))
		case <-ticker.C:
		}
	}
}

// DSN names the database for the server's superuser.
func (d *PostgresDatabase) DSN() string { return d.Server.DSN(d.Name) }

// DSNAs names the database for another user, without TLS. An empty password is left out.
func (d *PostgresDatabase) DSNAs(user, password string) string {
	return dsn(d.Server.Addr(), d.Name, user, password)
}

// DSNThrough names the database for the superuser at another address, that of a [Proxy].
func (d *PostgresDatabase) DSNThrough(addr string) string { return dsn(addr, d.Name, "postgres", "") }

func dsn(addr, database, user, password string) string {
	who := url.User(user)
	if password != "" {
		who = url.UserPassword(user, password)
	}
	return (&url.URL{Scheme: "postgres", User: who, Host: addr, Path: "/" + database, RawQuery: "sslmode=disable"}).String()
}

// Connect opens a session that ends with the test.
func (d *PostgresDatabase) Connect(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, d.DSN())
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's context has ended by now. A session that the test has closed or broken is as good.
		_ = conn.Close(context.Background())
	})
	return conn
}

// Exec runs statements, separated by semicolons, in a session of their own; several are one transaction.
func (d *PostgresDatabase) Exec(t testing.TB, sql string) {
	t.Helper()
	if err := d.TryExec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TryExec is [PostgresDatabase.Exec] for a statement that may fail.
func (d *PostgresDatabase) TryExec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, d.DSN())
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// Rows runs a query and gives its rows in their text form, NULL as "NULL".
func (d *PostgresDatabase) Rows(t testing.TB, sql string) [][]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.DSN())
	if err != nil {
		t.Fatal(err)
	}
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var rows [][]string
	for _, values := range results[len(results)-1].Rows {
		row := make([]string, len(values))
		for i, value := range values {
			row[i] = "NULL"
			if value != nil {
				row[i] = string(value)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// Text runs a query and gives its rows as lines, with | between the columns.
func (d *PostgresDatabase) Text(t testing.TB, sql string) string {
	t.Helper()
	var lines []string
	for _, row := range d.Rows(t, sql) {
		lines = append(lines, strings.Join(row, "|"))
	}
	return strings.Join(lines, "\n")
}
