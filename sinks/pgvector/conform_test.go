package pgvector_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a database with a sink over it.
type bed struct {
	t        testing.TB
	database *testenv.PostgresDatabase
	make     func(o pgvector.Options) (*pgvector.Sink, error)
	options  pgvector.Options
	reader   *pgx.Conn
}

func newBed(t testing.TB, major int, make func(o pgvector.Options) (*pgvector.Sink, error), o pgvector.Options) *bed {
	t.Helper()
	d := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
	o.DSN = d.DSN()
	return &bed{t: t, database: d, make: make, options: o}
}

func (b *bed) Sink() stream.Sink {
	s, err := b.make(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// Rows reads the tables as any reader does, all in one snapshot.
func (b *bed) Rows(stream.Writer) (map[string]streamtest.Row, error) {
	if b.reader == nil {
		conn, err := pgx.Connect(context.Background(), b.database.DSN())
		if err != nil {
			return nil, err
		}
		b.reader = conn
		b.t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server goes with the test
	}
	ctx := context.Background()
	tables, err := b.reader.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'freshet_progress'")
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(tables, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	all := map[string]streamtest.Row{}
	for _, name := range names {
		if err := b.read(ctx, name, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *bed) read(ctx context.Context, table string, all map[string]streamtest.Row) error {
	rows, err := b.reader.Query(ctx, "SELECT owner, part, text, number, _version FROM "+pgx.Identifier{table}.Sanitize()+" WHERE _version IS NOT NULL")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var part, version int64
		var text *string
		var number *float64
		if err := rows.Scan(&owner, &part, &text, &number, &version); err != nil {
			return err
		}
		columns := []cdc.Column{{Name: "owner", Type: cdc.Type{Kind: cdc.String}}, {Name: "part", Type: cdc.Type{Kind: cdc.Int64}},
			{Name: "text", Type: cdc.Type{Kind: cdc.String}}, {Name: "number", Type: cdc.Type{Kind: cdc.Float64}}}
		var r cdc.RowBuilder
		r.Text(owner)
		r.Int64(part)
		if text != nil {
			r.Text(*text)
		} else {
			r.Null()
		}
		if number != nil {
			r.Float64(*number)
		} else {
			r.Null()
		}
		row := r.Build()
		key := keyOf(b.t, row, columns[:2])
		if _, twice := all[key.Text()]; twice {
			return fmt.Errorf("the key %q is there twice", key.Text())
		}
		all[key.Text()] = streamtest.Row{JSON: "{" + string(cdc.AppendFieldsJSON(nil, columns, row)) + "}", Version: uint64(version)}
	}
	return rows.Err()
}

func keyOf(t testing.TB, row cdc.Row, columns []cdc.Column) cdc.Key {
	t.Helper()
	var key cdc.Key
	for i, c := range columns {
		var err error
		if key, err = cdc.AppendKeyValue(key, c.Type.Kind, row.At(i)); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// Wipe drops what the sink has made, but for its progress.
func (b *bed) Wipe() error {
	return b.database.TryExec(context.Background(), "DROP TABLE c0")
}

func TestAPlainTableIsASink(t *testing.T) {
	streamtest.TestSink(t, streamtest.SinkTraits{Transactions: true, Shared: true, Foreign: true, NoNUL: true}, func(t *testing.T) streamtest.SinkHarness {
		return newBed(t, 15, pgvector.NewTable, pgvector.Options{})
	})
}

func TestATableWithVectorsIsASink(t *testing.T) {
	streamtest.TestSink(t, streamtest.SinkTraits{Vector: true, Transactions: true, Shared: true, Foreign: true, NoNUL: true}, func(t *testing.T) streamtest.SinkHarness {
		return newBed(t, 18, pgvector.New, pgvector.Options{})
	})
}

// TestEveryVersionOfTheServer holds the sink against all versions that are installed.
func TestEveryVersionOfTheServer(t *testing.T) {
	if os.Getenv("FRESHET_SOAK") != "1" {
		t.Skip("takes a minute; `make soak` installs the servers and runs it")
	}
	for _, major := range testenv.PostgresMajors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			traits := streamtest.SinkTraits{Vector: major != 15, Transactions: true, Shared: true, Foreign: true, NoNUL: true}
			declare := pgvector.NewTable
			if traits.Vector {
				declare = pgvector.New
			}
			streamtest.TestSink(t, traits, func(t *testing.T) streamtest.SinkHarness {
				return newBed(t, major, declare, pgvector.Options{})
			})
		})
	}
}
