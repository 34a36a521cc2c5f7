package pgvector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// I10: whatever somebody else does to the tables, the next opening says what is lost, and what is written again is whole.
func TestWhatSomebodyElseDoesToATableIsNoticed(t *testing.T) {
	tests := []struct {
		name, sql string
		wiped     bool
		left      []string // before it is written again
	}{
		{"nothing", "SELECT 1", false, []string{"1|body 1", "2|body 2", "3|body 3"}},
		{"a row is deleted", "DELETE FROM docs WHERE id = 2", true, []string{"1|body 1", "3|body 3"}},
		{"it is emptied", "TRUNCATE docs", true, nil},
		{"it is dropped", "DROP TABLE docs", true, nil},
		{"it is made anew, empty", "CREATE TABLE other (LIKE docs INCLUDING ALL); DROP TABLE docs; ALTER TABLE other RENAME TO docs", true, nil},
		{"the record is removed", "DELETE FROM freshet_progress", true, []string{"1|body 1", "2|body 2", "3|body 3"}},
		{"the progress table is dropped", "DROP TABLE freshet_progress", true, []string{"1|body 1", "2|body 2", "3|body 3"}},
		{"everything is dropped", "DROP TABLE docs, freshet_progress", true, nil},
		{"a column is dropped", "ALTER TABLE docs DROP COLUMN body", true, []string{"1|NULL", "2|NULL", "3|NULL"}},
		{"a column has another type", "ALTER TABLE docs ALTER COLUMN body TYPE varchar(3)  USING left(body, 3)", true, []string{"1|bod", "2|bod", "3|bod"}},
		{"a column is added", "ALTER TABLE docs ADD COLUMN theirs int DEFAULT 7", false, []string{"1|body 1", "2|body 2", "3|body 3"}},
		{"it is rewritten", "VACUUM FULL docs", false, []string{"1|body 1", "2|body 2", "3|body 3"}},
		{"rows of others are added", "INSERT INTO docs (id, body) VALUES (100, 'theirs')", false, []string{"1|body 1", "2|body 2", "3|body 3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			d.open()
			d.apply(many(3, "body")...)
			d.close()
			d.bed.database.Exec(t, test.sql)
			p := d.open()
			if p.Wiped != test.wiped {
				t.Errorf("the progress is %+v, want wiped to be %v", p, test.wiped)
			}
			d.has("opened", test.left...)
			if !p.Wiped {
				if p.Epoch != d.epoch || p.Foreign {
					t.Errorf("the progress is %+v, want epoch %d and nothing foreign", p, d.epoch)
				}
				return
			}
			// What the engine does about it: another instance, to which everything is written.
			d.target.Instance, d.target.Epoch = d.target.Instance+1, 0
			if p := d.open(); p.Wiped || p.Foreign != (len(test.left) > 0) {
				t.Errorf("the next instance has the progress %+v", p)
			}
			d.apply(many(3, "again")...)
			d.has("written again", "1|again 1", "2|again 2", "3|again 3")
			if got := d.bed.database.Text(t, "SELECT instance, rows FROM freshet_progress"); got != "17|3" {
				t.Errorf("the progress table has %q", got)
			}
		})
	}
}

// I10: a record that cannot be read, or not yet, is named and not taken for a missing one; the way out that is named works.
func TestADamagedRecordIsNamed(t *testing.T) {
	tests := []struct{ name, sql, code string }{
		{"damaged", `UPDATE freshet_progress SET tables = '{"cut": "off"}'`, "table_altered"},
		{"of a later version", "UPDATE freshet_progress SET format = 99", "state_newer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			d.open()
			d.apply(many(3, "body")...)
			d.close()
			d.bed.database.Exec(t, test.sql)
			_, err := d.tryOpen()
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Code != test.code || problem.Exit != 3 {
				t.Fatalf("it is answered with %v", err)
			}
			d.has("refused", "1|body 1", "2|body 2", "3|body 3")
			if _, statement, ok := strings.Cut(problem.Hint, "`"); ok {
				statement, _, _ = strings.Cut(statement, "`")
				d.bed.database.Exec(t, statement)
				if p := d.open(); !p.Wiped {
					t.Errorf("after %s the progress is %+v, want it wiped", statement, p)
				}
			}
		})
	}
}

// I10: what is lost while the sink is open is noticed with the next range at the latest.
func TestALossWhileItIsOpenIsNoticed(t *testing.T) {
	for _, sql := range []string{"TRUNCATE docs", "DROP TABLE docs", "DELETE FROM freshet_progress", "DROP TABLE freshet_progress", "ALTER TABLE docs DROP COLUMN body"} {
		t.Run(sql, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			d.open()
			d.apply(many(3, "body")...)
			d.bed.database.Exec(t, sql)
			if err := d.writer.Apply(t.Context(), d.txn(2, row{id: 1, body: "new"})); !errors.Is(err, stream.ErrLost) {
				t.Errorf("an Apply ends with %v, want %v", err, stream.ErrLost)
			}
			if p := d.open(); !p.Wiped {
				t.Errorf("opened again the progress is %+v, want it wiped", p)
			}
		})
	}
}

// I10: what is lost is noticed although nothing is written, and named.
func TestALossIsNoticedWhereNothingIsWritten(t *testing.T) {
	for _, c := range []struct {
		dims      int
		sql, says string
	}{
		{0, "DROP TABLE docs", "the table docs is gone"},
		{0, "TRUNCATE docs", "0 rows are left of 3"},
		{2, "DROP TABLE docs", "the table docs is gone"},
		{2, "ALTER TABLE docs DROP COLUMN body", "the column body of the table docs is gone"},
		{2, "ALTER TABLE docs ALTER COLUMN body TYPE varchar(9)", "the column body of the table docs is gone, or of another type"},
		{0, "VACUUM FULL docs; ALTER TABLE docs ADD COLUMN theirs int", ""},
	} {
		t.Run(fmt.Sprintf("%s of %d", c.sql, c.dims), func(t *testing.T) {
			t.Parallel()
			d := newDocs(t, testenv.PostgresMajors()[len(testenv.PostgresMajors())-1], c.dims, pgvector.Options{})
			d.open()
			rows := many(3, "body")
			for i := range rows {
				if c.dims > 0 {
					rows[i].vector = []float32{1, float32(i)}
				}
			}
			d.apply(rows...)
			for _, sql := range strings.Split(c.sql, "; ") {
				d.bed.database.Exec(t, sql)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
			defer cancel()
			err := d.writer.(stream.Runner).Run(ctx)
			if (c.says == "") != (err == nil) || c.says != "" && (!errors.Is(err, stream.ErrLost) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("the watch ends with %v, want %q", err, c.says)
			}
			if c.says == "the table docs is gone" && c.dims > 0 {
				_, err := d.writer.(stream.Searcher).Search(t.Context(), stream.Query{Vector: []float32{1, 0}, K: 1})
				if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "syntax") {
					t.Errorf("a search ends with %v", err)
				}
			}
		})
	}
}

// I6: rows that are not Freshet's stay, whatever happens to the sink; and it is said where they are in the way.
func TestRowsOfOthersAreNeverTouched(t *testing.T) {
	theirs := func(d *docs) string {
		return d.bed.database.Text(t, "SELECT id, body, _version IS NULL FROM docs WHERE id >= 5000 ORDER BY id")
	}
	const want = "5000|mine|t\n6000|mine|t"
	for name, rows := range map[string]int{"row by row": 1, "loaded": 2000} {
		t.Run(name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			d.open()
			d.bed.database.Exec(t, "INSERT INTO docs (id, body) VALUES (5000, 'mine'), (6000, 'mine')")
			d.apply(many(rows, "body")...)
			err := d.writer.Apply(t.Context(), d.txn(9, append(many(rows, "new"), row{id: 5000, body: "taken"})...))
			var reject *stream.RejectError
			if !errors.As(err, &reject) || reject.Key.Text() != "5000" || reject.Code != "foreign_row" {
				t.Errorf("an upsert under their key ends with %v", err)
			}
			d.apply(row{id: 5000, body: absent{}}, row{id: 6000, body: absent{}})
			if got := theirs(d); got != want {
				t.Errorf("after upserts and deletes: %s", got)
			}
			err = d.writer.(stream.Lister).Keys(t.Context(), func(_ int, key string) error {
				if key == "5000" || key == "6000" {
					t.Errorf("their key %s is listed", key)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			d.columns = []cdc.Column{{Name: "more", Type: cdc.Type{Kind: cdc.Int64, Nullable: true}}}
			d.open()
			d.target.State, d.target.Epoch, d.target.Generation = "another", 0, 0
			if p := d.open(); !p.Foreign {
				t.Errorf("another state is told %+v", p)
			}
			if got := theirs(d); got != want {
				t.Errorf("after a change of the schema and of the state: %s", got)
			}
			d.close()
			if err := d.bed.Sink().(stream.Dropper).Drop(t.Context(), d.target); err != nil {
				t.Fatal(err)
			}
			if got := theirs(d); got != want {
				t.Errorf("after the drop: %s", got)
			}
			if got := d.bed.database.Text(t, "SELECT count(*) FROM docs"); got != "2" {
				t.Errorf("%s rows are left after the drop, want theirs", got)
			}
		})
	}
}

func TestATableOfSomebodyElseIsRefused(t *testing.T) {
	tests := []struct{ name, sql, code, hint string }{
		{"a table of an application", "CREATE TABLE docs (id bigint PRIMARY KEY, body text); INSERT INTO docs VALUES (1, 'x')", "table_taken", "ADD COLUMN IF NOT EXISTS _version"},
		{"a view", "CREATE VIEW docs AS SELECT 1 AS id", "table_taken", "name another table"},
		{"a table with another key", "CREATE TABLE docs (id bigint, body text PRIMARY KEY, _version bigint, _source text)", "table_altered", "drop this one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{})
			d.bed.database.Exec(t, test.sql)
			before := d.bed.database.Text(t, "SELECT * FROM docs")
			_, err := d.tryOpen()
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Code != test.code || !strings.Contains(problem.Hint, test.hint) || problem.Exit != 3 {
				t.Errorf("it is answered with %v (%+v)", err, problem)
			}
			if got := d.bed.database.Text(t, "SELECT * FROM docs"); got != before {
				t.Errorf("it holds %q after %q", got, before)
			}
			if got := d.bed.database.Text(t, "SELECT count(*) FROM pg_class WHERE relname = 'freshet_progress'"); got != "0" {
				t.Error("a progress table is left behind")
			}
		})
	}
	t.Run("a table of another sink", func(t *testing.T) {
		d := newDocs(t, 15, 0, pgvector.Options{})
		d.open()
		d.apply(many(3, "body")...)
		d.target.Sink = "other"
		_, err := d.tryOpen()
		var problem *stream.Problem
		if !errors.As(err, &problem) || problem.Code != "table_taken" || !strings.Contains(problem.Message, "the sink sink of the flow flow") {
			t.Errorf("it is answered with %v", err)
		}
		d.has("after it was refused", "1|body 1", "2|body 2", "3|body 3")
	})
	t.Run("handed over by its owner", func(t *testing.T) {
		d := newDocs(t, 15, 0, pgvector.Options{})
		d.bed.database.Exec(t, "CREATE TABLE docs (id bigint PRIMARY KEY, body text, _version bigint, _source text); INSERT INTO docs VALUES (7, 'theirs')")
		if p := d.open(); p.Foreign || p.Wiped {
			t.Errorf("the progress is %+v", p)
		}
		d.apply(many(2, "body")...)
		if got := d.bed.database.Text(t, "SELECT id, body FROM docs ORDER BY id"); got != "1|body 1\n2|body 2\n7|theirs" {
			t.Errorf("it holds %q", got)
		}
	})
}

// I3: a row that the server will never take is named, nothing of its range is applied, and the rest can be.
func TestARowThatIsRefusedIsNamed(t *testing.T) {
	for _, rows := range []int{10, 499, 500, 2000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			d := newDocs(t, 18, 3, pgvector.Options{Index: pgvector.None})
			d.open()
			all := many(rows, "body")
			at := rows / 2
			for name, spoil := range map[string]func(r *row){
				"a text with U+0000":               func(r *row) { r.body = "nul\x00byte" },
				"a vector of another length":       func(r *row) { r.vector = []float32{1, 2} },
				"a vector without a direction":     func(r *row) { r.vector = []float32{0, 0, 0} },
				"a vector with something infinite": func(r *row) { r.vector = []float32{1, float32(inf()), 0} },
			} {
				spoiled := slices.Clone(all)
				spoil(&spoiled[at])
				err := d.writer.Apply(t.Context(), d.txn(1, spoiled...))
				var reject *stream.RejectError
				if !errors.As(err, &reject) || reject.Key.Text() != fmt.Sprint(at+1) {
					t.Errorf("%s: Apply ends with %v, want row %d rejected", name, err, at+1)
				}
				d.has(name)
			}
			d.apply(slices.Delete(slices.Clone(all), at, at+1)...)
			if got := d.writer.(stream.Counter).Rows(); got != int64(rows-1) {
				t.Errorf("%d rows are counted, want %d", got, rows-1)
			}
		})
	}
}

func inf() float64 {
	zero := 0.0
	return 1 / zero
}

// The schema follows the flow: what was written stays where it can.
func TestTheSchemaFollowsTheFlow(t *testing.T) {
	d := newDocs(t, 15, 0, pgvector.Options{})
	number := func(native string) []cdc.Column {
		return []cdc.Column{{Name: "n", Type: cdc.Type{Kind: cdc.Int64, Nullable: true, Native: native}}}
	}
	seven := []func(b *cdc.RowBuilder){func(b *cdc.RowBuilder) { b.Int64(7) }}
	kinds := func() string {
		return d.bed.database.Text(t, "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'docs'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
	}
	d.columns = number("integer")
	d.open()
	d.apply(row{id: 1, body: "x", more: seven})
	if got, want := kinds(), "id bigint\nbody text\nn integer\n_version bigint\n_source text"; got != want {
		t.Errorf("the columns are %q, want %q", got, want)
	}
	d.columns = number("bigint")
	if p := d.open(); p.Wiped {
		t.Errorf("a wider type is told as %+v", p)
	}
	if got := d.bed.database.Text(t, "SELECT n FROM docs"); got != "7" || !strings.Contains(kinds(), "n bigint") {
		t.Errorf("after int has become bigint: %s, %s", got, kinds())
	}
	d.columns = []cdc.Column{{Name: "n", Type: cdc.Type{Kind: cdc.UUID, Nullable: true}}}
	if p := d.open(); !p.Wiped || !strings.Contains(kinds(), "n uuid") {
		t.Errorf("a type that no value fits is told as %+v, %s", p, kinds())
	}
	d.columns, d.target.Epoch = nil, 0
	d.open()
	if got, want := kinds(), "id bigint\nbody text\n_version bigint\n_source text"; got != want {
		t.Errorf("the columns are %q, want %q", got, want)
	}
	d.bed.database.Exec(t, "CREATE VIEW reading AS SELECT body FROM docs")
	d.bed.options.Table = "docs"
	schema := d.schema()
	schema.Columns = schema.Columns[:1]
	d.close()
	d.target.Collections = []stream.SinkCollection{{Collection: stream.Collection{Name: "docs", Schema: schema}, Key: schema.Columns[:1]}}
	_, err := d.bed.Sink().Open(context.Background(), d.target)
	var problem *stream.Problem
	if !errors.As(err, &problem) || !strings.Contains(problem.Hint, "view") {
		t.Errorf("a column under a view is dropped: %v", err)
	}
}
