package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/stream/flowfile"
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
	path := filepath.Join("testdata", filepath.FromSlash(name))
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
	golden(t, "fromdb/shop.yaml", strings.ReplaceAll(string(text), db.Name, "shop"))
	golden(t, "fromdb/shop.txt", strings.NewReplacer(db.Name, "shop", dir+string(filepath.Separator), "").Replace(out.String()))
}

// What is missing on the server is told, and hinders nobody from having the file.
func TestInitFromDatabaseThatCannotBeReadYet(t *testing.T) {
	server := testenv.Postgres(t, testenv.PostgresOptions{Settings: map[string]string{"wal_level": "replica"}})
	db := server.Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, body text)")
	file := filepath.Join(t.TempDir(), "flow.yaml")
	code, envelope, said := verb(t, "init", file, "--from-db", db.DSN())
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	}
	missing := envelope["data"].(map[string]any)["missing"].([]any)
	if len(missing) != 1 || missing[0].(map[string]any)["code"] != "wal_level" {
		t.Errorf("missing is %v", missing)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// Every refusal has a code and a hint, shows no password, and leaves no file.
func TestInitFromDatabaseRefusals(t *testing.T) {
	server := testenv.Postgres(t, testenv.PostgresOptions{})
	database := func(sql string) *testenv.PostgresDatabase {
		db := server.Database(t)
		if sql != "" {
			db.Exec(t, sql)
		}
		return db
	}
	empty := database("")
	keyless := database(`CREATE TABLE keyless (a int); CREATE TABLE "Other" (a int)`)
	denied := database("CREATE TABLE docs (id int PRIMARY KEY)")
	hidden := database("CREATE TABLE docs (id int PRIMARY KEY); REVOKE ALL ON SCHEMA public FROM public")
	role := denied.Name + "_reader"
	denied.Exec(t, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() { _ = empty.TryExec(context.Background(), "DROP ROLE "+role) })
	const secret = "hunter22"
	as := func(db *testenv.PostgresDatabase, user string) string { return db.DSNAs(user, secret) }
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTHING_HERE", "")
	for _, tt := range []struct {
		name, url, code string
		exit            int
		hint            string
		flags           []string
	}{
		{"no URL", "", "usage", exitUsage, "--from-db", nil},
		{"a variable that is not set", "${NOTHING_HERE}", "missing_env", exitUsage, "export NOTHING_HERE", nil},
		{"another scheme", "mysql://u:" + secret + "@127.0.0.1/db", "usage", exitUsage, "postgres://", nil},
		{"a password with a slash", "postgres://u:" + secret + "/x@127.0.0.1:5432/db", "usage", exitUsage, "%2F", nil},
		{"a password of digits with a slash", "postgres://u:1/" + secret + "@127.0.0.1:5432/db", "usage", exitUsage, "%2F", nil},
		{"a password with a bad escape", "postgres://u:" + secret + "%zz@127.0.0.1:5432/db", "usage", exitUsage, "%25", nil},
		{"keywords that do not parse", "host=127.0.0.1 password='" + secret, "usage", exitUsage, "postgres://", nil},
		{"no such port", "postgres://u:" + secret + "@127.0.0.1:99999/db", "usage", exitUsage, "postgres://", nil},
		{"nobody answers", "postgres://u:" + secret + "@" + nobody + "/db", "server_unreachable", exitEnvironment, "dsn", nil},
		{"no such database", strings.Replace(as(empty, "postgres"), empty.Name, "absent", 1), "no_database", exitEnvironment, `CREATE DATABASE "absent"`, nil},
		{"no such role", as(empty, "nobody_at_all"), "access_denied", exitEnvironment, "user", nil},
		{"no table", as(empty, "postgres"), "no_table", exitEnvironment, "database", nil},
		{"no table with a key", as(keyless, "postgres"), "no_key", exitEnvironment, `ALTER TABLE "public"."keyless" ADD PRIMARY KEY`, nil},
		{"no right to read", as(denied, role), "rights", exitEnvironment, `GRANT SELECT ON "public"."docs"`, nil},
		{"no right to look into the schema", as(hidden, role), "rights", exitEnvironment, "GRANT USAGE ON SCHEMA", nil},
		{"together with a template", as(empty, "postgres"), "usage", exitUsage, "leave --template out", []string{"--template", "folder"}},
		{"together with --force", as(empty, "postgres"), "usage", exitUsage, "leave --force out", []string{"--force"}},
		{"a sink that it does not propose", as(empty, "postgres"), "usage", exitUsage, `did you mean "pgvector"?`, []string{"--sink", "pgvectr"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "flow.yaml")
			code, envelope, said := verb(t, append([]string{"init", file, "--from-db", tt.url}, tt.flags...)...)
			told, _ := envelope["error"].(map[string]any)
			if code != tt.exit || told["code"] != tt.code {
				t.Errorf("exit %d: %s", code, said)
			}
			if hint, _ := told["hint"].(string); !strings.Contains(hint, tt.hint) {
				t.Errorf("the hint is %q", hint)
			}
			if strings.Contains(said, "hunter") {
				t.Errorf("the password is told: %s", said)
			}
			if _, err := os.Lstat(file); err == nil {
				t.Error("a file is left")
			}
		})
	}
}

// described is a column as an inventory has it; a type that ends in ? may be null.
func described(name, native string, width float64) postgres.ColumnReport {
	typ, err := cdc.ParseType(native)
	if err != nil {
		panic(err)
	}
	return postgres.ColumnReport{Column: cdc.Column{Name: name, Type: typ}, Text: typ.Kind == cdc.String, Whole: true, Width: width}
}

// What is proposed for tables of all kinds, and that each proposal is a flow file that can be read.
func TestProposals(t *testing.T) {
	tables := func(all ...postgres.TableReport) []postgres.TableReport { return all }
	report := func(name string, rows float64, key string, columns ...postgres.ColumnReport) postgres.TableReport {
		return postgres.TableReport{Schema: "public", Name: name, Table: "public." + name, Rows: rows, Key: strings.Fields(key), Columns: columns}
	}
	id := described("id", "int", 0)
	limited := described("code", "string?", 0)
	limited.Limit = 20
	tags := described("tags", "string?", 500) // text[], say
	tags.Text, tags.Whole = false, false
	for _, tt := range []struct {
		name   string
		tables []postgres.TableReport
	}{
		{"one table has an index called index", tables(report("docs", 1234567, "id", id, described("title", "string", 20), described("body", "string?", 900)))},
		{"without statistics names and types decide", tables(report("posts", -1, "id", id, limited, described("slug", "string", 0), described("content", "string?", 0)),
			report("codes", -1, "id", id, limited))},
		{"columns of about one length are one text", tables(report("faqs", 3, "id", id, described("question", "string?", 400), described("hint", "string?", 100), described("answer", "string", 700)))},
		{"what is long or has no type of its own is not carried", tables(report("pages", 1, "id", id, described("body", "string", 5000), described("excerpt", "string", 300),
			tags, described("raw", "bytes", 0), described("meta", "json?", 0), described("old", "vector(3)?", 0), described("chunk", "int", 0)))},
		{"secrets stay where they are", tables(report("users", 9, "id", id, described("bio", "string", 100), described("password_hash", "string", 60),
			described("reset_token", "string?", 5000), described("tax_iban", "string?", 22)))},
		{"a key that steps would replace is mirrored", tables(report("parts", 9, "chunk id", id, described("chunk", "int", 0), described("body", "string", 100)))},
		{"names are made to fit", tables(report("a_table_with_a_name_that_is_much_longer_than_forty_letters", 0, "id", id, described("body", "string", 90)),
			report("a_table_with_a_name_that_is_much_longer_than_forty_others", 0, "id", id, described("body", "string", 90)),
			report("Ünïcode", 0, "id", id), report("2026", 0, "id", id), report("_", 0, "id", id))},
		{"words that YAML or CEL keep for themselves", tables(report("words", 5, "null", described("null", "int", 0), described("in", "string", 300), described("no", "string", 200),
			described("${HOME}", "string", 40), described("a: b", "int", 0)))},
		{"a table of just its key", tables(report("links", 5, "from_id to_id", described("from_id", "int", 0), described("to_id", "int", 0)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := propose("shop", "PG_URL", &postgres.Inventory{Database: "shop", Major: 17, Tables: tt.tables})
			text := p.yaml()
			if _, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: registry(),
				LookupEnv: func(string) (string, bool) { return "postgres://127.0.0.1/shop", true }}); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			golden(t, "fromdb/"+strings.NewReplacer(" ", "-").Replace(tt.name)+".yaml", text)
		})
	}
}

// The variable is one that holds the connection string already, or one that holds nothing else.
func TestVariableOfTheConnectionString(t *testing.T) {
	const url = "postgres://u:p@h/d"
	for _, tt := range []struct {
		name, url   string
		environment []string
		want        string
	}{
		{"none is set", url, nil, "PG_URL"},
		{"PG_URL has it", url, []string{"DATABASE_URL=" + url, "PG_URL=" + url}, "PG_URL"},
		{"another has it", url, []string{"DATABASE_URL=" + url, "PG_URL="}, "DATABASE_URL"},
		{"another has it and PG_URL something else", url, []string{"DATABASE_URL=" + url, "PG_URL=x"}, "DATABASE_URL"},
		{"PG_URL has something else", url, []string{"PG_URL=x", "PG_URL_2=y"}, "PG_URL_3"},
		{"variables of the shell do not count", url, []string{"_=" + url, "lower=" + url}, "PG_URL"},
		{"it is named", "${shop_db}", []string{"shop_db=" + url}, "shop_db"},
		{"it is named without braces", "$SHOP", []string{"SHOP=" + url}, "SHOP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dsn, name, err := connection(tt.url, tt.environment)
			if err != nil || dsn != url || name != tt.want {
				t.Errorf("got %s, %s, %v", dsn, name, err)
			}
		})
	}
}
