package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

const parted = `CREATE TABLE docs (id int, n int, body text, note text, PRIMARY KEY (id, n)) PARTITION BY LIST (n);
ALTER TABLE docs ALTER body SET STORAGE EXTERNAL; CREATE TABLE other (LIKE docs INCLUDING ALL);
CREATE TABLE docs_1 PARTITION OF docs FOR VALUES IN (1); CREATE TABLE docs_2 PARTITION OF docs FOR VALUES IN (2);
INSERT INTO docs SELECT i, 1 + i % 2, 'b' || i, 'n' || i FROM generate_series(1, 20) i;
INSERT INTO other SELECT i, 7, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j), 'joins' FROM generate_series(100, 140) i;`

// partings are changes of the partitions, and whether all tables have to be read again.
func partings() []struct {
	name, sql string
	again     bool
} {
	return []struct {
		name, sql string
		again     bool
	}{
		{"one joins with its rows", "ALTER TABLE docs ATTACH PARTITION other FOR VALUES IN (7); UPDATE docs SET note = 'after' WHERE id = 101; DELETE FROM docs WHERE id = 102", false},
		{"one is made", "CREATE TABLE docs_3 PARTITION OF docs FOR VALUES IN (3); INSERT INTO docs VALUES (50, 3, 'in it', '')", false},
		{"a tree joins", "CREATE TABLE tree (LIKE docs INCLUDING ALL) PARTITION BY RANGE (id); CREATE TABLE low PARTITION OF tree FOR VALUES FROM (0) TO (1000);" +
			"INSERT INTO tree SELECT id, 8, body, note FROM other; ALTER TABLE docs ATTACH PARTITION tree FOR VALUES IN (8)", false},
		{"one leaves", "ALTER TABLE docs DETACH PARTITION docs_1", true},
		{"one is dropped", "DROP TABLE docs_2", true},
		{"one is emptied by itself", "TRUNCATE docs_1", true},
		{"one leaves and joins again under other rows", "ALTER TABLE docs DETACH PARTITION docs_1; DELETE FROM docs_1 WHERE id < 10; ALTER TABLE docs ATTACH PARTITION docs_1 FOR VALUES IN (1)", true},
	}
}

// TestPartitionsJoinAndLeave proves case 21: what ATTACH, DETACH and TRUNCATE of a partition do to the rows of a table is
// found out, while the flow runs and while it does not (I6).
func TestPartitionsJoinAndLeave(t *testing.T) {
	for _, x := range partings() {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stopped %t", x.name, stopped), func(t *testing.T) {
				db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
				db.Exec(t, parted)
				o := options(db, "docs")
				o.GuardEvery = 20 * time.Millisecond
				in := cdctest.NewInlet()
				var h history
				s := source(t, o)
				live := begin(t, s, in, nil)
				live.caught()
				if stopped {
					live.end()
					h.keep(in)
					in = in.Crash()
				}
				for sql := range strings.SplitSeq(x.sql, "; ") {
					db.Exec(t, sql)
				}
				if stopped {
					s = source(t, o)
					live = begin(t, s, in, nil)
				}
				if x.again {
					again(t, live.finish(), o, in)
					return
				}
				want := present(t, o)
				live.wait("the rows of the partition", func() bool { return len(folded(t, append(h.puts, in.Puts()...))) == len(want) })
				live.reach(db)
				await(t, "the end of the reading", func() bool { return s.Report().Reading == nil })
				live.end()
				h.keep(in)
				h.equals(t, o)
				last := in.Crash()
				if err := once(t, source(t, o), last, nil); err != nil || len(last.Puts()) != 0 {
					t.Errorf("a later start: %d changes, %v", len(last.Puts()), err)
				}
			})
		}
	}
}

// again makes sure that a run asked for a rescan, and that this one reads the rows of the table.
func again(t *testing.T, err error, o postgres.Options, in *cdctest.Inlet) {
	t.Helper()
	if fault := faultOf(t, err); fault.Code != "data_guard" || !errors.Is(err, cdc.ErrReread) || !strings.Contains(err.Error(), "partition") {
		t.Fatalf("%s: %v", fault.Code, err)
	}
	next := in.Crash()
	if err := once(t, source(t, o), next, func(s *cdc.Start) { s.Rescan = true }); err != nil {
		t.Fatal(err)
	}
	h := history{puts: next.Puts()}
	h.equals(t, o)
	last := next.Crash()
	if err := once(t, source(t, o), last, nil); err != nil || len(last.Puts()) != 0 {
		t.Errorf("a later start: %d changes, %v", len(last.Puts()), err)
	}
}
