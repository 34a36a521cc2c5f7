package postgres_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/internal/testenv"
)

// nowhere is an inlet that counts and drops. What is put counts as durable.
type nowhere struct {
	source  *postgres.Source
	changes atomic.Int64
	spare   chan *cdc.Batch
}

func (n *nowhere) Put(ctx context.Context, b *cdc.Batch) error {
	n.changes.Add(int64(b.Len()))
	var at cdc.Position
	if txns := b.Txns(); len(txns) > 0 {
		at = txns[len(txns)-1].Position
	}
	b.Reset()
	select {
	case n.spare <- b:
	default:
	}
	if at == "" {
		return nil
	}
	return n.source.Confirm(ctx, at)
}

func (n *nowhere) Batch() *cdc.Batch {
	select {
	case b := <-n.spare:
		return b
	default:
		return new(cdc.Batch)
	}
}

func (n *nowhere) CaughtUp(context.Context) error { return nil }
func (n *nowhere) Problem(error)                  {}

// spent is what a read of so many rows has cost.
type spent struct {
	rows      int64
	wall, cpu time.Duration
}

// rounds is how often each side of a comparison is measured, in turns. The best of them counts: what else a machine does
// takes time away and gives none.
const rounds = 5

// best keeps the shorter time and the smaller cost.
func (s *spent) best(x spent) {
	if s.rows == 0 {
		*s = x
	}
	s.wall, s.cpu = min(s.wall, x.wall), min(s.cpu, x.cpu)
}

func (s *spent) rate() float64   { return float64(s.rows) / s.wall.Seconds() }
func (s *spent) perRow() float64 { return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.rows) }

const mixed = `CREATE TABLE rows (id bigint PRIMARY KEY, a int, b int, c text, d text, at timestamptz, price numeric(12,2), flag boolean, u uuid)`

func mixedRows(from, to int, width int) string {
	return fmt.Sprintf(`INSERT INTO rows SELECT i, i, i %% 100, 'title of row ' || i, repeat(md5(i::text), %d), now(), i * 1.25, i %% 2 = 0, gen_random_uuid()
FROM generate_series(%d, %d) i`, width, from, to)
}

// loads are what is written between the start of the base slot and the end that is read to, so many times as large as
// what suits a short run.
func loads(times int) []struct {
	name, setup, sql string
	rows             int64
} {
	return []struct {
		name, setup, sql string
		rows             int64
	}{
		{"one transaction", "", mixedRows(1, times*200_000, 1), int64(times * 200_000)},
		{"wide rows", "", mixedRows(1, times*40_000, 60), int64(times * 40_000)},
		{"one-row transactions", "", fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP INSERT INTO rows VALUES (i, i, i, 'title', 'body of ' || i, now(), 1.25, true, gen_random_uuid()); COMMIT; END LOOP; END $$", times*40_000), int64(times * 40_000)},
		{"updates", mixedRows(1, times*100_000, 1), "UPDATE rows SET a = a + 1", int64(times * 100_000)},
		{"deletes", mixedRows(1, times*200_000, 1), "DELETE FROM rows", int64(times * 200_000)},
	}
}

// BenchmarkStream reads the same log by a raw client and by the source.
func BenchmarkStream(b *testing.B) {
	for _, load := range loads(1) {
		b.Run(load.name, func(b *testing.B) {
			db := testenv.Postgres(b, testenv.PostgresOptions{Own: true, Settings: map[string]string{"max_wal_size": "'4GB'", "shared_buffers": "'256MB'"}}).Database(b)
			db.Exec(b, mixed+";"+load.setup)
			db.Exec(b, "CREATE PUBLICATION p FOR TABLE rows")
			db.Exec(b, "SELECT pg_create_logical_replication_slot('base', 'pgoutput')")
			db.Exec(b, load.sql)
			end := db.Text(b, "SELECT pg_current_wal_flush_lsn()")
			var raw, ours spent
			for b.Loop() {
				for range rounds {
					raw.best(round(b, db, load.rows, func() { drain(b, db, end) }))
					ours.best(round(b, db, load.rows, func() { read(b, db, load.rows) }))
				}
			}
			b.ReportMetric(ours.rate(), "rows/s")
			b.ReportMetric(ours.rate()/raw.rate(), "of-raw-wall")
			b.ReportMetric(ours.perRow(), "µsCPU/row")
			b.ReportMetric(ours.perRow()/raw.perRow(), "of-raw-CPU")
		})
	}
}

// round measures one read of a fresh copy of the slot.
func round(b *testing.B, db *testenv.PostgresDatabase, rows int64, do func()) spent {
	db.Exec(b, "SELECT pg_copy_logical_replication_slot('base', 'copy')")
	was, begun := machine.CPUTime(), time.Now()
	do()
	s := spent{rows: rows, wall: time.Since(begun), cpu: machine.CPUTime() - was}
	db.Exec(b, "DO $$ BEGIN WHILE (SELECT active FROM pg_replication_slots WHERE slot_name = 'copy') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
	db.Exec(b, "SELECT pg_drop_replication_slot('copy')")
	return s
}

// drain reads messages up to the end of the log and looks at none.
func drain(b *testing.B, db *testenv.PostgresDatabase, end string) {
	ctx := b.Context()
	c, err := pgconn.Connect(ctx, db.DSN()+"&replication=database")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Conn().Close() }()
	stop, err := postgres.ParseLSN(end)
	if err != nil {
		b.Fatal(err)
	}
	c.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION SLOT copy LOGICAL 0/0 (proto_version '2', streaming 'on', binary 'true', publication_names 'p')"})
	if err := c.Frontend().Flush(); err != nil {
		b.Fatal(err)
	}
	for {
		m, err := c.Frontend().Receive()
		if err != nil {
			b.Fatal(err)
		}
		d, ok := m.(*pgproto3.CopyData)
		if !ok {
			if e, ok := m.(*pgproto3.ErrorResponse); ok {
				b.Fatal(pgconn.ErrorResponseToPgError(e))
			}
			continue
		}
		if d.Data[0] == 'k' && postgres.LSN(binary.BigEndian.Uint64(d.Data[1:])) >= stop ||
			d.Data[0] == 'w' && postgres.LSN(binary.BigEndian.Uint64(d.Data[1:])) >= stop {
			return
		}
		if d.Data[0] == 'w' && (d.Data[25] == 'C' || d.Data[25] == 'c') && postgres.LSN(binary.BigEndian.Uint64(d.Data[1:])) >= stop-256 {
			return
		}
	}
}

// read reads the copy by the source.
func read(b *testing.B, db *testenv.PostgresDatabase, rows int64) {
	s, err := postgres.New(postgres.Options{DSN: db.DSN(), Slot: "copy", Publication: "p", Snapshot: postgres.SnapshotNever,
		Tables: []postgres.TableOptions{{Table: "public.rows"}}, SpillDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	in := &nowhere{source: s, spare: make(chan *cdc.Batch, 4)}
	if err := s.Run(b.Context(), cdc.Start{Once: true}, in); err != nil {
		b.Fatal(err)
	}
	if n := in.changes.Load(); n != rows {
		b.Fatalf("%d changes of %d", n, rows)
	}
}

const snapshotRows = 500_000

// BenchmarkSnapshot reads a table by COPY into nothing and by the source.
func BenchmarkSnapshot(b *testing.B) {
	db := testenv.Postgres(b, testenv.PostgresOptions{Own: true, Settings: map[string]string{"max_wal_size": "'4GB'", "shared_buffers": "'256MB'"}}).Database(b)
	db.Exec(b, mixed+";"+mixedRows(1, snapshotRows, 1))
	db.Exec(b, "CREATE PUBLICATION p FOR TABLE rows")
	db.Exec(b, "SELECT count(*) FROM rows")
	var raw, ours spent
	for b.Loop() {
		for range rounds {
			raw.best(copyOut(b, db))
			ours.best(snapshot(b, db))
		}
	}
	b.ReportMetric(ours.rate(), "rows/s")
	b.ReportMetric(ours.rate()/raw.rate(), "of-COPY-wall")
	b.ReportMetric(ours.perRow()/raw.perRow(), "of-COPY-CPU")
}

// copyOut has the server write the table to nowhere.
func copyOut(b *testing.B, db *testenv.PostgresDatabase) spent {
	c, err := pgx.Connect(b.Context(), db.DSN())
	if err != nil {
		b.Fatal(err)
	}
	was, begun := machine.CPUTime(), time.Now()
	if _, err := c.PgConn().CopyTo(b.Context(), nothing{}, "COPY rows TO STDOUT (FORMAT binary)"); err != nil {
		b.Fatal(err)
	}
	took := spent{rows: snapshotRows, wall: time.Since(begun), cpu: machine.CPUTime() - was}
	if err := c.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return took
}

// snapshot reads the table by a source that begins.
func snapshot(b *testing.B, db *testenv.PostgresDatabase) spent {
	s, err := postgres.New(postgres.Options{DSN: db.DSN(), Slot: "copy", Publication: "p", Tables: []postgres.TableOptions{{Table: "public.rows"}}})
	if err != nil {
		b.Fatal(err)
	}
	in := &nowhere{source: s, spare: make(chan *cdc.Batch, 4)}
	was, begun := machine.CPUTime(), time.Now()
	if err := s.Run(b.Context(), cdc.Start{Once: true}, in); err != nil {
		b.Fatal(err)
	}
	took := spent{rows: snapshotRows, wall: time.Since(begun), cpu: machine.CPUTime() - was}
	if err := s.Drop(b.Context()); err != nil {
		b.Fatal(err)
	}
	return took
}

type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
