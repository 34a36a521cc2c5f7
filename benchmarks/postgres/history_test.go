package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/internal/testenv"
)

// statement makes the text of a random change of the tables of a history.
func statement(r *rand.Rand) string {
	id, other := 1+r.IntN(300), 1+r.IntN(300)
	body := "'short'"
	if r.IntN(2) == 0 {
		body = fmt.Sprintf("(SELECT string_agg(md5('%d' || j), '') FROM generate_series(1, 200) j)", r.IntN(1000)) // lies out of line
	}
	switch r.IntN(12) {
	case 0, 1:
		return fmt.Sprintf("INSERT INTO docs VALUES (%d, 0, %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body", id, body)
	case 2, 3:
		return fmt.Sprintf("UPDATE docs SET n = n + 1 WHERE id BETWEEN %d AND %d", id, id+r.IntN(10))
	case 4:
		return fmt.Sprintf("UPDATE docs SET id = -id WHERE id IN (%d, %d)", id, -other)
	case 5: // two rows change their keys
		return fmt.Sprintf("BEGIN; UPDATE docs SET id = 1000000 + id WHERE id = %d; UPDATE docs SET id = %d WHERE id = %d; UPDATE docs SET id = %d WHERE id = %d; COMMIT",
			id, id, other, other, 1000000+id)
	case 6:
		return fmt.Sprintf("BEGIN; UPDATE docs SET id = %d WHERE id = %d; UPDATE docs SET body = %s WHERE id = %d; COMMIT", -id, id, body, -id)
	case 7:
		return fmt.Sprintf("DELETE FROM docs WHERE id IN (%d, %d)", id, -other)
	case 8:
		return fmt.Sprintf("BEGIN; INSERT INTO pairs VALUES ('k%d', 'l%d', 0) ON CONFLICT (k, lang) DO UPDATE SET v = pairs.v + 1; UPDATE docs SET n = n + 1 WHERE id = %d; COMMIT", id%40, other%3, id)
	case 9:
		return fmt.Sprintf("BEGIN; UPDATE docs SET n = -1 WHERE id = %d; SAVEPOINT s; DELETE FROM docs WHERE id > 0; DELETE FROM pairs; ROLLBACK TO s; UPDATE pairs SET v = v + 1 WHERE lang = 'l1'; COMMIT", id)
	case 10:
		return fmt.Sprintf("BEGIN; UPDATE docs SET n = n + 100 WHERE id %% 7 = %d; ROLLBACK", id%7)
	}
	if r.IntN(20) == 0 {
		return "TRUNCATE pairs"
	}
	return fmt.Sprintf("UPDATE pairs SET lang = 'l' || (%d %% 5) WHERE k = 'k%d' AND lang = 'l%d'", other, id%40, id%3)
}

// writes changes the tables at random until ctx ends. What the server refuses, such as a key that is taken, has not happened;
// a server that is down is tried again.
func writes(ctx context.Context, dsn string, seed uint64, pause time.Duration) {
	r := rand.New(rand.NewPCG(seed, 5))
	var c *pgx.Conn
	for ctx.Err() == nil {
		if c == nil || c.IsClosed() {
			c, _ = pgx.Connect(ctx, dsn)
		}
		if c != nil {
			if _, err := c.PgConn().Exec(ctx, statement(r)).ReadAll(); err != nil {
				_, _ = c.PgConn().Exec(ctx, "ROLLBACK").ReadAll()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if c != nil {
		_ = c.Close(context.WithoutCancel(ctx))
	}
}

// differences tells the lines that only one of two texts has, none where they are equal.
func differences(database, sink string) string {
	var b strings.Builder
	for _, side := range [...][3]string{{"the database alone has ", database, sink}, {"the sink alone has ", sink, database}} {
		other := strings.Split(side[2], "\n")
		for line := range strings.SplitSeq(side[1], "\n") {
			if !slices.Contains(other, line) {
				b.WriteString(side[0] + line + "\n")
			}
		}
	}
	return b.String()
}

// Writers change keys, swap them, leave large values unsent, truncate and roll back; a column comes; the program and the
// server are killed in the midst of it: in the end the copy is what the database is (I1, I3, I4, I11).
func TestARandomHistoryUnderKillsEndsEqual(t *testing.T) {
	if testing.Short() {
		t.Skip("it kills the engine under load for seconds")
	}
	lasting, every, crashes := 4*time.Second, 900*time.Millisecond, 1
	if os.Getenv("FRESHET_SOAK") != "" {
		lasting, every, crashes = time.Hour, 2*time.Second, 60
	}
	s := testenv.Postgres(t, testenv.PostgresOptions{Own: true})
	db, mirror := s.Database(t), testenv.Postgres(t, testenv.PostgresOptions{}).Database(t)
	db.Exec(t, "CREATE TABLE docs (id int PRIMARY KEY, n int NOT NULL, body text); ALTER TABLE docs ALTER body SET STORAGE EXTERNAL;"+
		"CREATE TABLE pairs (k text, lang text, v int, PRIMARY KEY (k, lang));"+
		"INSERT INTO docs SELECT i, 0, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j) FROM generate_series(1, 200) i")
	e := newEngine(t, fmt.Sprintf(`flow: history
limits: {memory: 256MiB, disk_free: 1MiB}
sources:
  src: {postgres: {dsn: %q, tables: {docs: public.docs, pairs: public.pairs}}}
sinks:
  mirror: {from: [src.docs, src.pairs], postgres: {dsn: %q}}
`, db.DSN(), mirror.DSN()))

	killing, stop := context.WithCancel(t.Context())
	var work, writing sync.WaitGroup
	var kills int
	var fault error
	work.Go(func() { kills, fault = e.killed(killing, every) })
	ctx, end := context.WithTimeout(t.Context(), lasting)
	defer end()
	for w := range 3 {
		writing.Go(func() { writes(ctx, db.DSN(), uint64(w), 2*time.Millisecond) })
	}
	for i := range crashes {
		<-time.After(lasting / time.Duration(3*crashes))
		db.Exec(t, fmt.Sprintf("ALTER TABLE docs ADD more%d int DEFAULT 7", i%5)) // a column comes
		<-time.After(lasting / time.Duration(6*crashes))
		s.Kill(t)
		s.Start(t)
		if i%5 == 4 {
			db.Exec(t, "ALTER TABLE docs DROP more0, DROP more1, DROP more2, DROP more3, DROP more4")
		}
	}
	writing.Wait()
	stop()
	work.Wait()
	if err := errors.Join(fault, t.Context().Err()); err != nil {
		t.Fatal(err)
	}
	e.once()
	for _, rows := range []string{
		"SELECT string_agg(id || ' ' || n || ' ' || md5(body), E'\\n' ORDER BY id) FROM docs",
		"SELECT coalesce(string_agg(k || ' ' || lang || ' ' || v, E'\\n' ORDER BY k, lang), 'none') FROM pairs",
	} {
		if diff := differences(db.Text(t, rows), mirror.Text(t, rows)); diff != "" {
			t.Errorf("%s\n%s", rows, diff)
		}
	}
	t.Logf("%d kills of the engine", kills)
}
