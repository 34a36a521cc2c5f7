package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// An enum that grows is told by no description of its tables: values are the texts that the server
// sends, the same from the first rows and from the stream, whether values travel in binary form or as text, also in a key.
func TestAnEnumThatGrowsWhileTheFlowRuns(t *testing.T) {
	for _, major := range majors(t) {
		for form, more := range map[string]string{"binary": "int", "text": "interval"} { // an interval has no binary form that is known
			t.Run(fmt.Sprint(major, " ", form), func(t *testing.T) {
				db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
				db.Exec(t, "CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE DOMAIN temper AS mood;"+
					"CREATE TABLE docs (id int, m mood, tags mood[], d temper, more "+more+", PRIMARY KEY (id, m)); INSERT INTO docs VALUES (1, 'sad', '{sad}', 'sad'), (2, 'so so', '{}', 'so so')")
				o := options(db, "docs")
				in := cdctest.NewInlet()
				live := begin(t, source(t, o), in, nil)
				live.caught()
				db.Exec(t, "INSERT INTO docs VALUES (3, 'sad', NULL, NULL)") // the table is described
				live.reach(db)
				db.Exec(t, "ALTER TYPE mood ADD VALUE 'thrilled' BEFORE 'so so'")
				db.Exec(t, "INSERT INTO docs VALUES (4, 'thrilled', '{thrilled,sad}', 'thrilled'); UPDATE docs SET m = 'thrilled' WHERE id = 1; UPDATE docs SET d = 'thrilled' WHERE id = 2")
				live.reach(db)
				live.end()
				if diff := cmp.Diff(present(t, o), folded(t, in.Puts())); diff != "" {
					t.Error(diff)
				}
				var got []string
				for _, p := range in.Puts()[3:] {
					if p.After != nil {
						got = append(got, p.Key.Text()+" "+p.After.At(1).Text()+" "+p.After.At(2).Text()+" "+p.After.At(3).Text())
					}
				}
				want := []string{"4/thrilled thrilled {thrilled,sad} thrilled", "1/thrilled thrilled {sad} sad", "2/so so so so {} thrilled"}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}
