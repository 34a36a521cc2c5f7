// Package database gives examples a PostgreSQL server of their own, and prints the SQL that they run there.
//
// Errors are kept by the scene. A [Database] belongs to one goroutine.
//
// Of Freshet's packages it may import examples/internal/scene and internal/testenv.
package database

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/internal/testenv"
)

// major is the version whose servers have the extension vector.
const major = 18

// Database is a database of a server that ends with it.
type Database struct {
	scene  *scene.Scene
	server *testenv.PostgresServer // nil where it could not be started
	conn   *pgx.Conn               // nil where it could not be opened
}

// Open starts a server, and runs the SQL of a file of the example there. Flows find the database in PG_URL.
func Open(ctx context.Context, s *scene.Scene, file string) *Database {
	d := &Database{scene: s}
	sql := s.Read(file)
	var err error
	if d.server, err = testenv.RunPostgres(major); !s.Check(err) {
		return d
	}
	s.Setenv("PG_URL", d.server.DSN("postgres"))
	if d.conn, err = pgx.Connect(ctx, d.server.DSN("postgres")); s.Check(err) {
		_, err = d.conn.Exec(ctx, string(sql))
		s.Check(err)
	}
	return d
}

// Beside makes another database on the server. Flows find it in the variable.
func (d *Database) Beside(ctx context.Context, name, variable string) *Database {
	b := &Database{scene: d.scene}
	d.Rows(ctx, "CREATE DATABASE "+name)
	if d.scene.Err() == nil {
		url := d.server.DSN(name)
		var err error
		b.conn, err = pgx.Connect(ctx, url)
		d.scene.Check(err)
		d.scene.Setenv(variable, url)
	}
	return b
}

// Close ends the session, and the server where Open has started it.
func (d *Database) Close() {
	if d.conn != nil {
		d.scene.Check(d.conn.Close(context.Background())) // at once: the server is on this machine
	}
	if d.server != nil {
		d.scene.Check(d.server.Close())
	}
}

// Run prints SQL and runs it; several statements are one transaction. It prints the rows of the last one.
func (d *Database) Run(ctx context.Context, sql string) {
	d.scene.Say("+ psql -c %q", sql)
	for _, row := range d.Rows(ctx, sql) {
		d.scene.Say("%s", strings.Join(row, "|"))
	}
}

// Rows runs SQL in silence and gives the rows of its last statement, as texts.
func (d *Database) Rows(ctx context.Context, sql string) [][]string {
	if !d.scene.Check(ctx.Err()) {
		return nil
	}
	results, err := d.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		d.scene.Check(fmt.Errorf("run SQL: %w", err))
		return nil
	}
	var rows [][]string
	for _, values := range results[len(results)-1].Rows {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = string(v)
		}
		rows = append(rows, row)
	}
	return rows
}

// Settle returns when the sinks of the running flow hold everything that has been committed so far.
func (d *Database) Settle(ctx context.Context, source string) {
	if end := d.Rows(ctx, "SELECT pg_current_wal_insert_lsn()"); len(end) == 1 {
		d.scene.Wait(ctx, source, end[0][0])
	}
}
