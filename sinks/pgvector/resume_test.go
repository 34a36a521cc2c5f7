package pgvector_test

import (
	"errors"
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
