package postgres_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// watched is a source at work over ten rows of a table, which it looks at often. Where the condition is that of a publication of
// others, it is called theirs.
func watched(t *testing.T, db *testenv.PostgresDatabase, where string) (*trial, *cdctest.Inlet) {
	t.Helper()
	db.Exec(t, rowsOf(10)+"CREATE TABLE other (id int PRIMARY KEY); ALTER TABLE docs REPLICA IDENTITY FULL")
	o := options(db, "docs", "other")
	if o.Tables[0].Where = where; where == "theirs" {
		db.Exec(t, "CREATE PUBLICATION theirs FOR TABLE docs WHERE (n < 100), other")
		o.Tables[0].Where, o.Publication = "", "theirs"
	}
	o.GuardEvery = 20 * time.Millisecond
	s := source(t, o)
	if _, err := s.Collections(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := cdctest.NewInlet()
	live := begin(t, s, in, nil)
	live.caught()
	return live, in
}

// hears waits until a complaint holds all of these words.
func (x *trial) hears(words ...string) {
	x.t.Helper()
	x.wait("a word on "+strings.Join(words, ", "), func() bool {
		h := x.inlet.Hindrance()
		for _, word := range words {
			if h == nil || !strings.Contains(h.Error(), word) {
				return false
			}
		}
		return true
	})
}

// What happens to a table and makes no row is noticed while the flow runs, also when nobody writes to it: people are told
// what to do, the rows stay, and other tables go on (I6, I10).
func TestWhatHappensToATableIsToldWhileTheFlowRuns(t *testing.T) {
	for name, x := range map[string]struct {
		where, harm, mend string
		words             []string
	}{
		"renamed":                     {"", "ALTER TABLE docs RENAME TO texts", "ALTER TABLE texts RENAME TO docs", []string{"table public.docs is named public.texts now", `ALTER TABLE "public"."texts" RENAME TO "docs"`}},
		"moved":                       {"", "CREATE SCHEMA attic; ALTER TABLE docs SET SCHEMA attic", "ALTER TABLE attic.docs SET SCHEMA public", []string{"named attic.docs now", `SET SCHEMA "public"`}},
		"dropped":                     {"", "DROP TABLE docs", "", []string{"table public.docs was dropped", "make it again"}},
		"no key any more":             {"", "ALTER TABLE docs DROP CONSTRAINT docs_pkey", "ALTER TABLE docs ADD PRIMARY KEY (id)", []string{"public.docs", "ADD PRIMARY KEY"}},
		"nothing is kept of old rows": {"", "ALTER TABLE docs REPLICA IDENTITY NOTHING", "ALTER TABLE docs REPLICA IDENTITY FULL", []string{"NOTHING", "REPLICA IDENTITY DEFAULT"}},
		"what the condition reads is not kept, of a publication of others": {"theirs", "ALTER TABLE docs REPLICA IDENTITY DEFAULT", "ALTER TABLE docs REPLICA IDENTITY FULL", []string{"where of table public.docs reads column n", `ALTER TABLE "public"."docs" REPLICA IDENTITY FULL`}},
		"what the condition reads is not kept":                             {"n < 100", "ALTER TABLE docs REPLICA IDENTITY DEFAULT", "ALTER TABLE docs REPLICA IDENTITY FULL", []string{"where of table public.docs reads column n", `ALTER TABLE "public"."docs" REPLICA IDENTITY FULL`}},
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			live, in := watched(t, db, x.where)
			for sql := range strings.SplitSeq(x.harm, ";") {
				db.Exec(t, sql)
			}
			live.hears(x.words...)
			db.Exec(t, "INSERT INTO other VALUES (1)")
			live.wait("a row of the other table", func() bool { return len(in.Rows()) == 11 })
			if x.mend != "" {
				db.Exec(t, x.mend)
				live.wait("that nothing hinders any more", func() bool { return in.Hindrance() == nil })
			}
			live.end()
		})
	}
}

// Another table under the name is read anew, whether the first one was dropped or stands aside.
func TestATableThatIsMadeAnewUnderARunningFlow(t *testing.T) {
	for name, sql := range map[string]string{
		"dropped": "DROP TABLE docs; " + docs + "INSERT INTO docs VALUES (3, 33)",
		"aside":   "ALTER TABLE docs RENAME TO old; ALTER TABLE old RENAME CONSTRAINT docs_pkey TO old_pkey; " + docs + "INSERT INTO docs VALUES (3, 33)",
	} {
		t.Run(name, func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
			live, in := watched(t, db, "")
			db.Exec(t, sql)
			if err := live.finish(); !errors.Is(err, cdc.ErrChanged) || !strings.Contains(err.Error(), "table public.docs was made anew") {
				t.Fatalf("the run ends with %v", err)
			}
			o := options(db, "docs", "other")
			if err := once(t, source(t, o), in.Crash(), nil); !errors.Is(err, cdc.ErrReread) {
				t.Fatalf("planned anew: %v", err)
			}
			healed := in.Crash()
			if err := once(t, source(t, o), healed, func(s *cdc.Start) { s.Rescan = true }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(present(t, o), folded(t, healed.Puts())); diff != "" {
				t.Error(diff)
			}
		})
	}
}
