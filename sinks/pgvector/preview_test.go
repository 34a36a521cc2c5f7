package pgvector_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// preview asks what an opening would do.
func (d *docs) preview() []string {
	d.t.Helper()
	schema := d.schema()
	target := d.target
	target.Collections = []stream.SinkCollection{{Collection: stream.Collection{Name: "docs", Schema: schema}, Key: schema.Columns[:1]}}
	statements, err := d.bed.Sink().(stream.Previewer).Preview(d.t.Context(), target)
	if err != nil {
		d.t.Fatalf("preview: %v", err)
	}
	return statements
}

// What a preview says is what an opening does, and nothing is done.
func TestAPreviewSaysWhatAnOpeningDoes(t *testing.T) {
	d := newDocs(t, 18, 3, pgvector.Options{})
	told := strings.Join(d.preview(), "\n")
	for _, want := range []string{"CREATE EXTENSION vector", `CREATE TABLE "public"."freshet_progress"`, `CREATE TABLE "public"."docs" ("id" bigint NOT NULL, "body" text, "vector" vector(3), _version bigint, _source text, PRIMARY KEY ("id"))`,
		`CREATE INDEX ON "public"."docs" USING hnsw ("vector" vector_cosine_ops)`} {
		if !strings.Contains(told, want) {
			t.Errorf("the preview lacks %s: %s", want, told)
		}
	}
	if got := d.bed.database.Text(t, "SELECT count(*) FROM pg_class WHERE relname IN ('docs', 'freshet_progress')"); got != "0" {
		t.Errorf("the preview has made %s tables", got)
	}
	d.open()
	d.apply(many(3, "body")...)
	if told := d.preview(); len(told) > 0 {
		t.Errorf("after the opening there is still to do: %v", told)
	}
	d.columns = []cdc.Column{{Name: "more", Type: kind(cdc.Int64)}}
	if told := d.preview(); len(told) != 1 || told[0] != `ALTER TABLE "public"."docs" ADD COLUMN "more" bigint` {
		t.Errorf("for one more column there is to do: %v", told)
	}
}

// What is missing on the server is named with the SQL that mends it.
func TestWhatIsMissingIsNamed(t *testing.T) {
	tests := []struct {
		name, setup, user, code, hint string
		unmanaged                     bool
	}{
		{"no right to make tables", "CREATE ROLE %s LOGIN", "role", "rights", "GRANT USAGE, CREATE ON SCHEMA", false},
		{"an unmanaged table", "", "", "table_missing", "CREATE TABLE", true},
		{"no right to the database", "CREATE ROLE %s LOGIN; REVOKE CONNECT ON DATABASE %s FROM PUBLIC", "role", "rights", "GRANT CONNECT ON DATABASE", false},
		{"no such user", "", "nobody_at_all", "access_denied", "check user and password", false},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDocs(t, 15, 0, pgvector.Options{Unmanaged: test.unmanaged})
			if test.setup != "" {
				test.user = d.bed.database.Name // roles are shared by the databases of a server
				d.bed.database.Exec(t, strings.ReplaceAll(test.setup, "%s", test.user))
			}
			if test.user != "" {
				d.bed.options.DSN = d.bed.database.DSNAs(test.user, "secret-word")
			}
			_, err := d.tryOpen()
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Code != test.code || problem.Exit != 3 || !strings.Contains(problem.Hint, test.hint) {
				t.Fatalf("case %d is answered with %v (%+v)", i, err, problem)
			}
			if strings.Contains(problem.Message+problem.Hint, "secret-word") {
				t.Errorf("the password is shown: %v", problem)
			}
		})
	}
	t.Run("a table that the user makes as the hint says", func(t *testing.T) {
		d := newDocs(t, 15, 0, pgvector.Options{Unmanaged: true})
		for range 2 {
			_, err := d.tryOpen()
			var problem *stream.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("it is answered with %v", err)
			}
			_, statement, _ := strings.Cut(problem.Hint, "`")
			statement, _, _ = strings.Cut(statement, "`")
			d.bed.database.Exec(t, statement)
		}
		d.open()
		d.apply(many(2, "body")...)
		d.has("unmanaged", "1|body 1", "2|body 2")
	})
	t.Run("the extension", func(t *testing.T) {
		d := newDocs(t, 15, 3, pgvector.Options{})
		_, err := d.tryOpen()
		var problem *stream.Problem
		if !errors.As(err, &problem) || problem.Code != "extension_missing" || !strings.Contains(problem.Hint, "pgvector") {
			t.Errorf("it is answered with %v", err)
		}
	})
}

// The rights that the page gives are enough for everything that the sink does.
func TestTheRightsOfThePageAreEnough(t *testing.T) {
	page, err := os.ReadFile("../../docs/pgvector.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(string(page), "```sql\nCREATE ROLE")
	script, _, closed := strings.Cut("CREATE ROLE"+script, "```")
	if !found || !closed {
		t.Fatal("the page has no script that makes a role")
	}
	d := newDocs(t, 18, 3, pgvector.Options{})
	role := d.bed.database.Name // roles are shared by the databases of a server
	d.bed.database.Exec(t, "CREATE EXTENSION vector;"+strings.ReplaceAll(script, "freshet_writer", role))
	d.bed.options.DSN = d.bed.database.DSNAs(role, "")
	d.open()
	d.apply(many(600, "body")...)
	d.apply(row{id: 1, body: "live"}, row{id: 2, body: absent{}})
	d.columns = []cdc.Column{{Name: "more", Type: kind(cdc.Int64)}}
	d.open()
	d.apply(row{id: 3, body: "more"})
	if hits := d.search(direction(7, 3), 1, nil); len(hits) != 1 || hits[0].Key.Text() != "7" {
		t.Errorf("a search finds %v", hits)
	}
	d.close()
	if err := d.bed.Sink().(stream.Dropper).Drop(t.Context(), d.target); err != nil {
		t.Errorf("drop: %v", err)
	}
}
