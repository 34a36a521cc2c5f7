package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/internal/testenv"
)

// shopTables are tables as applications have them: prose in the row and out of line, titles, numbers, secrets, names
// that need quotes, and what cannot be read.
const shopTables = `
CREATE TABLE articles (id bigint PRIMARY KEY, title text NOT NULL, body text, summary text, tags text[], views int NOT NULL DEFAULT 0,
	meta jsonb, published date, author_email text);
INSERT INTO articles SELECT i, 'Title ' || i, (SELECT string_agg(md5(random()::text || i || j), ' ') FROM generate_series(1, 400) j),
	repeat('In short: ' || i || '. ', 10), ARRAY['a'], i, '{}', DATE '2026-01-01' + i, 'a' || i || '@example.org' FROM generate_series(1, 30) i;
UPDATE articles SET body = 'How to rotate credentials: make a new key, deploy it, revoke the old one.' WHERE id = 7;
CREATE TABLE faqs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), question text NOT NULL, answer text, lang char(2) NOT NULL);
INSERT INTO faqs (question, answer, lang) SELECT 'What about the ' || i || 'th thing that nobody has asked of us until today?',
	'It is as the ' || (i - 1) || 'th thing was, and as the ones before it were at the time.', 'en' FROM generate_series(1, 20) i;
CREATE TABLE users (id int PRIMARY KEY, name varchar(80), email varchar(200), password_digest text, api_token text, bio text);
INSERT INTO users SELECT i, 'User ' || i, 'u' || i || '@example.org', md5(i::text) || md5(i::text), md5(i::text), repeat('I write. ', 12) FROM generate_series(1, 5) i;
CREATE TABLE order_items (order_id int, line int, sku varchar(20), price numeric(10,2), PRIMARY KEY (order_id, line));
INSERT INTO order_items SELECT i, 1, 'sku-' || i, i FROM generate_series(1, 10) i;
CREATE TABLE "Odd ""Names""
${HOME}: x" (id int PRIMARY KEY, "Full Text" text, "no" text, "row: {" int);
CREATE TABLE measures (at timestamptz, place int, value float8, PRIMARY KEY (at, place)) PARTITION BY RANGE (at);
CREATE TABLE measures_2026 PARTITION OF measures FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE keyless (a int, b text);
CREATE TABLE unkept (id int PRIMARY KEY, note text); ALTER TABLE unkept REPLICA IDENTITY NOTHING;
CREATE UNLOGGED TABLE sessions (id int PRIMARY KEY, data text);
CREATE TABLE schema_migrations (version text PRIMARY KEY);
CREATE TABLE mirror (id int PRIMARY KEY, body text, _version bigint, _source text);
CREATE VIEW recent AS SELECT * FROM articles;
ANALYZE articles; ANALYZE faqs; ANALYZE users; ANALYZE order_items;`

// verb runs a command line in this process and reads its envelope.
func verb(t *testing.T, args ...string) (code int, envelope map[string]any, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(append(args, "--json"), &out, &errs)
	if err := json.Unmarshal(out.Bytes(), &envelope); err != nil {
		t.Fatalf("%v: %v: %s%s", args, err, out.String(), errs.String())
	}
	return code, envelope, out.String() + errs.String()
}

// golden compares a text with a file of testdata, or writes it there.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "fromdb", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// The proposal is a flow that runs: it finds what was written, and init has made nothing on the server.
func TestInitFromDatabase(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, shopTables)
	dir := t.TempDir()
	file := filepath.Join(dir, "shop.yaml")
	t.Setenv("PG_URL", "")
	dsn := db.DSNAs("postgres", "hunter-22")
	var out, errs bytes.Buffer
	if code := execute([]string{"init", file, "--from-db", dsn}, &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s%s", code, out.String(), errs.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text)+out.String()+errs.String(), "hunter") {
		t.Errorf("the password is told:\n%s%s", text, out.String())
	}
	const made = "SELECT (SELECT count(*) FROM pg_publication) || ' publications, ' || (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) || ' slots'"
	if got := db.Text(t, made); got != "0 publications, 0 slots" {
		t.Errorf("init has made %s", got)
	}
	t.Setenv("PG_URL", dsn)
	if code, _, said := verb(t, "validate", file); code != exitOK {
		t.Errorf("validate: exit %d: %s", code, said)
	}
	if code, envelope, said := verb(t, "init", file, "--from-db", dsn); code != exitUsage || envelope["error"].(map[string]any)["code"] != "usage" {
		t.Errorf("a file that is there: exit %d: %s", code, said)
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, text) {
		t.Errorf("the file was written over: %v", err)
	}
	if code, _, said := verb(t, "run", file, "--once"); code != exitOK {
		t.Fatalf("run: exit %d: %s", code, said)
	}
	_, _, said := verb(t, "query", file, "how do I rotate credentials", "--sink", "articles_index", "-k", "1")
	if !strings.Contains(said, "revoke the old one") || !strings.Contains(said, `"title":"Title 7"`) {
		t.Errorf("the search finds %s", said)
	}
	if code, _, said := verb(t, "init", filepath.Join(dir, "again.yaml"), "--from-db", "${PG_URL}"); code != exitOK || !strings.Contains(said, `"env_set":true`) {
		t.Errorf("a variable in place of the URL: exit %d: %s", code, said)
	}
	golden(t, "shop.yaml", strings.ReplaceAll(string(text), db.Name, "shop"))
	golden(t, "shop.txt", strings.NewReplacer(db.Name, "shop", dir+string(filepath.Separator), "").Replace(out.String()))
}
