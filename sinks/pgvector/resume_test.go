package pgvector_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// I3: rows and guard travel together, and what the guard does not find as it was left stops the rows behind it.
func TestNothingIsWrittenOverARecordThatWasMoved(t *testing.T) {
	for _, x := range []struct {
		name, sql string
		want      []string
		fault     error
	}{
		{"nobody moved it", "SELECT", []string{"1|third", "2|second"}, nil},
		{"the range has been applied before", "UPDATE freshet_progress SET epoch = 3", []string{"1|first", "2|second"}, nil},
		{"another number of rows", "UPDATE freshet_progress SET rows = 1", []string{"1|third", "2|second"}, nil},
		{"the table has another name", "ALTER TABLE docs RENAME TO moved; CREATE VIEW docs AS SELECT * FROM moved", []string{"1|third", "2|second"}, nil},
		{"another opening", "UPDATE freshet_progress SET generation = generation + 1", []string{"1|first", "2|second"}, stream.ErrFenced},
		{"it is gone", "DELETE FROM freshet_progress", []string{"1|first", "2|second"}, stream.ErrLost},
		{"the table was emptied", "TRUNCATE docs", []string{}, stream.ErrLost},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			t.Cleanup(d.close)
			d.open()
			d.apply(row{id: 1, body: "first"})
			d.apply(row{id: 2, body: "second"})
			d.bed.database.Exec(t, x.sql)
			if err := d.writer.Apply(t.Context(), d.txn(3, row{id: 1, body: "third"})); !errors.Is(err, x.fault) {
				t.Errorf("it ends with %v, want %v", err, x.fault)
			}
			d.has("behind it", x.want...)
		})
	}
}

// A table that is rewritten has another file. The guard that names the old one stops one range, which is then written all the
// same; with it the session learns the new file, and the ranges behind it go on from what it has left.
func TestATableThatIsRewrittenCostsOneRangeAnotherAttempt(t *testing.T) {
	for _, x := range []struct{ name, sql string }{
		{"to be smaller", "VACUUM FULL docs"},
		{"in the order of its key", "CLUSTER docs USING docs_pkey"},
		{"for a column of others", "ALTER TABLE docs ADD COLUMN theirs uuid DEFAULT gen_random_uuid()"},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := newDocs(t, 18, 3, pgvector.Options{})
			d.open()
			guard := "c.oid = " + d.bed.database.Text(t, "SELECT 'docs'::regclass::oid") + " AND"
			file := func() string { return d.bed.database.Text(t, "SELECT pg_relation_filenode('docs')") }
			// The server logs the statement that it has ended, before it answers.
			stopped := func() int { return strings.Count(d.bed.database.Server.Log(), guard) }
			write := func(id int64, body string) {
				d.apply(row{id: id, body: body, vector: []float32{1, 2, float32(id)}})
			}
			write(1, "first")
			write(2, "second")
			write(2, "third")
			before := file()
			if stopped() != 0 {
				t.Fatal("a guard has stopped a range of a table that nobody has touched")
			}
			d.bed.database.Exec(t, x.sql)
			if file() == before {
				t.Fatal("the table has not been rewritten")
			}
			for i, body := range []string{"fourth", "fifth", "sixth"} {
				write(1, body)
				if got := stopped(); got != 1 {
					t.Errorf("range %d after the rewriting: guards have stopped %d, want 1", i+1, got)
				}
				d.has("rewritten", "1|"+body, "2|third")
			}
			if p := d.open(); p.Wiped || p.Epoch != d.epoch {
				t.Errorf("the next opening finds %+v, want epoch %d", p, d.epoch)
			}
		})
	}
}
