package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// items is a world of one table: the key is a text, the value another.
type items struct {
	t    *testing.T
	db   *testenv.PostgresDatabase
	conn *pgx.Conn
}

func newItems(t *testing.T, s *testenv.PostgresServer) *items {
	db := s.Database(t)
	db.Exec(t, "CREATE TABLE items (k text PRIMARY KEY, v text)")
	return &items{t: t, db: db, conn: db.Connect(t)}
}

func (w *items) Source() (cdctest.Source, error) {
	return postgres.New(postgres.Options{DSN: w.db.DSN(), Slot: w.db.Name, Publication: w.db.Name,
		Tables: []postgres.TableOptions{{Table: "public.items"}}})
}

func (w *items) exec(sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	_, err := w.conn.Exec(ctx, sql, args...)
	return err
}

func (w *items) Write(key, value string) error {
	return w.exec("INSERT INTO items VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v", key, value)
}

func (w *items) Delete(key string) error { return w.exec("DELETE FROM items WHERE k = $1", key) }

func (w *items) Read(c cdc.Change) (key, value string, err error) {
	if c.Op == cdc.Reject {
		return "", "", fmt.Errorf("%s: %s", c.Cause.Code, c.Cause.Message)
	}
	if c.After != nil && c.After.Len() == 2 {
		value = c.After.At(1).Text()
	}
	return c.Key.Text(), value, nil
}

func TestSourceConforms(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := testenv.Postgres(t, testenv.PostgresOptions{Major: major})
			cdctest.TestSource(t, func(t *testing.T) cdctest.Harness { return newItems(t, s) })
		})
	}
}
