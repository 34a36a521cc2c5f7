package postgres_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// guarded is a server that takes TLS, lets one role in by its certificate and another by its password.
func guarded(t *testing.T) (*testenv.PostgresServer, *testenv.PostgresDatabase) {
	s := testenv.Postgres(t, testenv.PostgresOptions{TLS: true, Rules: []string{
		"host all postgres 127.0.0.1/32 trust", "hostssl all certified 127.0.0.1/32 cert", "hostssl all knowing 127.0.0.1/32 scram-sha-256"}})
	db := s.Database(t)
	db.Exec(t, rowsOf(5)+"CREATE ROLE certified LOGIN REPLICATION; CREATE ROLE knowing LOGIN REPLICATION PASSWORD 'the first';"+
		"GRANT SELECT ON docs TO certified, knowing; CREATE PUBLICATION theirs FOR TABLE docs")
	return s, db
}

// at is a connection string for a role at a server's address.
func at(db *testenv.PostgresDatabase, address, role string, parameters ...string) string {
	query := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	return "postgres://" + role + "@" + address + "/" + db.Name + "?" + query.Encode()
}

// TestCertificatesOfBothSides proves case 24: a server is verified by its name and its authority, and a role is let in by
// a certificate.
func TestCertificatesOfBothSides(t *testing.T) {
	s, db := guarded(t)
	secrets := s.Certificates()
	cert, key, err := secrets.Client("certified")
	if err != nil {
		t.Fatal(err)
	}
	other, otherKey, err := secrets.Client("somebody")
	if err != nil {
		t.Fatal(err)
	}
	full := []string{"sslmode", "verify-full", "sslrootcert", secrets.Root, "sslcert", cert, "sslkey", key}
	for name, x := range map[string]struct{ dsn, code, word string }{
		"both are known":                       {at(db, s.NamedAddr(), "certified", full...), "", ""},
		"the server is called otherwise":       {at(db, s.Addr(), "certified", full...), "server_unreachable", "certificate"},
		"the authority is nobody's":            {at(db, s.NamedAddr(), "certified", "sslmode", "verify-full", "sslcert", cert, "sslkey", key), "server_unreachable", "certificate"},
		"the role shows none":                  {at(db, s.NamedAddr(), "certified", "sslmode", "verify-full", "sslrootcert", secrets.Root), "access_denied", "certificate"},
		"the role shows another role's":        {at(db, s.NamedAddr(), "certified", "sslmode", "verify-full", "sslrootcert", secrets.Root, "sslcert", other, "sslkey", otherKey), "access_denied", "certified"},
		"the role's key is in no file":         {at(db, s.NamedAddr(), "certified", "sslmode", "verify-full", "sslrootcert", secrets.Root, "sslcert", cert, "sslkey", key+"x"), "dsn", ""},
		"the server is not asked for TLS":      {at(db, s.NamedAddr(), "certified", "sslmode", "disable"), "access_denied", "pg_hba.conf"},
		"the authority is that of other files": {at(db, s.NamedAddr(), "certified", "sslmode", "verify-full", "sslrootcert", cert, "sslcert", cert, "sslkey", key), "server_unreachable", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(db, "docs")
			o.DSN, o.Publication = x.dsn, "theirs"
			if x.code == "dsn" {
				if _, err := postgres.New(o); err == nil || !strings.Contains(err.Error(), "dsn") {
					t.Errorf("options without the key: %v", err)
				}
				return
			}
			_, err := source(t, o).Collections(t.Context())
			if x.code != "" {
				if fault := faultOf(t, err); fault.Code != x.code || !strings.Contains(fault.Error(), x.word) {
					t.Errorf("%s: %v", fault.Code, err)
				}
				return
			}
			in := cdctest.NewInlet()
			if err := once(t, source(t, o), in, nil); err != nil || len(in.Puts()) != 5 {
				t.Errorf("%d rows, %v", len(in.Puts()), err)
			}
			if got := db.Text(t, "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'freshet' AND NOT s.ssl"); got != "0" {
				t.Errorf("%s connections are in clear", got)
			}
		})
	}
}

// TestAPasswordIsReadAgain proves case 24: SCRAM with channel binding lets a role in, a wrong password is named without being shown, and
// one that changes while the flow runs is read again from its file at the next connection.
func TestAPasswordIsReadAgain(t *testing.T) {
	s, db := guarded(t)
	file := filepath.Join(t.TempDir(), "passwords")
	write := func(password string) {
		if err := os.WriteFile(file, fmt.Appendf(nil, "localhost:*:*:knowing:%s\n", password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PGPASSFILE", file)
	o := options(db, "docs")
	o.Publication = "theirs"
	o.DSN = at(db, s.NamedAddr(), "knowing", "sslmode", "verify-full", "sslrootcert", s.Certificates().Root, "channel_binding", "require")
	write("a wrong one")
	_, err := source(t, o).Collections(t.Context())
	if fault := faultOf(t, err); fault.Code != "access_denied" || strings.Contains(err.Error()+fault.Hint, "a wrong one") {
		t.Errorf("%s: %v", fault.Code, err)
	}
	write("the first")
	in := cdctest.NewInlet()
	live := begin(t, source(t, o), in, nil)
	live.caught()
	db.Exec(t, "ALTER ROLE knowing PASSWORD 'the second'")
	write("the second")
	db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'knowing'")
	db.Exec(t, "INSERT INTO docs VALUES (100)")
	live.wait("the change behind the new password", func() bool { return len(in.Puts()) == 6 })
	live.end()
}

// replayed waits until every standby shows what the primary has written.
const replayed = `SET statement_timeout = '30s';
DO $$ BEGIN
	WHILE NOT (SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_flush_lsn()), false) FROM pg_stat_replication) LOOP
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
END $$;
RESET statement_timeout`

// TestAStandbyIsRead proves that first rows and changes are read from a standby, under writers on the primary (16+), also
// when tables are added and runs break off.
func TestAStandbyIsRead(t *testing.T) {
	for _, major := range majors(t) {
		if major < 16 {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			primary := testenv.Postgres(t, testenv.PostgresOptions{Major: major, Own: true})
			db := primary.Database(t)
			db.Exec(t, rowsOf(4000)+"CREATE TABLE late (id int PRIMARY KEY, v text); INSERT INTO late SELECT i, repeat('x', 300) FROM generate_series(1, 4000) i;")
			standby := primary.Standby(t)
			o := options(db, "docs", "late")
			o.DSN, o.Snapshot = standby.DSN(db.Name), postgres.SnapshotIncremental
			_, err := source(t, o).Collections(t.Context())
			if fault := faultOf(t, err); fault.Code != "rights" || !strings.Contains(fault.Hint, "on the primary") || !strings.Contains(fault.Hint, "CREATE PUBLICATION") {
				t.Fatalf("without a publication: %s: %v, hint %q", fault.Code, err, fault.Hint)
			}
			db.Exec(t, "CREATE PUBLICATION "+db.Name+" FOR TABLE docs, late")
			db.Exec(t, replayed)
			var work sync.WaitGroup
			stop := make(chan struct{})
			writer := db.Connect(t)
			work.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					for _, sql := range []string{"SELECT pg_log_standby_snapshot()", fmt.Sprintf("UPDATE docs SET n = n + 1 WHERE id %% 97 = %d", i%97),
						fmt.Sprintf("DELETE FROM late WHERE id %% 991 = %d", i%991), fmt.Sprintf("INSERT INTO docs VALUES (%d)", 10_000+i)} {
						if _, err := writer.Exec(t.Context(), sql); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
			in := cdctest.NewInlet()
			var h history
			for range 2 {
				s := source(t, o)
				s.InSmallSteps()
				live := begin(t, s, in, nil)
				live.wait("rows", func() bool { return len(in.Puts()) > 1000 })
				in.Defer()
				live.end()
				h.keep(in)
				in = in.Crash()
			}
			s := source(t, o)
			s.InSmallSteps()
			live := begin(t, s, in, nil)
			live.caught()
			close(stop)
			work.Wait()
			live.reach(db) // the primary's place
			live.end()
			h.keep(in)
			there := options(db, "docs", "late")
			there.Publication = db.Name
			h.equals(t, there)
			if got := db.Text(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical' AND slot_name NOT LIKE '%_now'"); got != "0" {
				t.Errorf("%s slots on the primary", got)
			}
			if n := s.Report().RetainedBytes; n < 0 {
				t.Errorf("%d bytes are retained on the standby", n)
			}
		})
	}
}

// TestARetainedLogIsReported proves case 25: what the server keeps for a flow that stands still, and how far it is behind, are told.
func TestARetainedLogIsReported(t *testing.T) {
	db := testenv.Postgres(t, testenv.PostgresOptions{Own: true}).Database(t)
	db.Exec(t, rowsOf(10)+"CREATE TABLE other (a text)")
	o := options(db, "docs")
	o.GuardEvery = 20 * time.Millisecond
	in := cdctest.NewInlet()
	s := source(t, o)
	if r := s.Report(); r.RetainedBytes != -1 || r.LagBytes != -1 || r.Reading != nil {
		t.Errorf("before anything is known: %+v", r)
	}
	live := begin(t, s, in, nil)
	live.caught()
	live.reach(db)
	in.Hold()
	db.Exec(t, "UPDATE docs SET n = 1")
	live.wait("a Put that waits", func() bool { return in.Waiting() > 0 })
	db.Exec(t, "INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
	await(t, "a lag of 5 MB", func() bool { r := s.Report(); return r.LagBytes > 5<<20 && r.RetainedBytes >= r.LagBytes })
	in.Release()
	live.reach(db)
	await(t, "no lag", func() bool { return s.Report().LagBytes < 64<<10 })
	live.end()
}

// await asks every few milliseconds, for a minute at most.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("wait for %s: a minute passed", what)
		}
	}
}
