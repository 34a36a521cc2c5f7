package pgdsn

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestTLSIsVerifiedUnlessTheDSNSaysOtherwise(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for dsn, verified := range map[string]bool{
		"postgres://u@db.example.com/x": true, "postgres://u@db.example.com/x?sslmode=disable": false, "postgres://u@127.0.0.1/x": false,
		"host=db.example.com user=u": true, "host=db.example.com user=u sslmode=disable": false, "postgres:///x?host=/run/postgresql": false,
		"postgres://u@db.example.com/x?application_name=me": true, "postgres://u@db.example.com/x?application_name=me&sslmode=require": false,
		"postgres://u:pa?ss#%20w[rd@db.example.com/x": true, "postgres://u:p@db.example.com:5432,other.example.com:5433/x": true,
		"postgres://u@127.0.0.1,db.example.com/x": true, "postgresql://db.example.com?dbname=x#y": true, "postgres://u@db.example.com/x?ssl=true": false,
		"postgres://u:sslmode=disable@db.example.com/x": true, "host=db.example.com password='a sslmode=disable'": true, "host=db.example.com sslmode = prefer": false,
		"postgres://u:p%40ss@db.example.com:5433/x": true, "postgres://u@[::1]/x": false, "postgres://u@[2001:db8::1]:5432/x": true,
	} {
		c, err := pgconn.ParseConfig(Verified(dsn))
		if err != nil {
			t.Fatal(err)
		}
		full := func(t *tls.Config) bool { return t != nil && !t.InsecureSkipVerify && t.ServerName != "" }
		got := full(c.TLSConfig)
		for _, f := range c.Fallbacks {
			got = got && full(f.TLSConfig)
		}
		if got != verified {
			t.Errorf("%s: verified %v", dsn, got)
		}
	}
}

// TestAServiceDecidesOnTLS proves that what stands in a service file counts.
func TestAServiceDecidesOnTLS(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	file := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(file, []byte("[plain]\nhost=db.example.com\nsslmode=disable\n[silent]\nhost=db.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGSERVICEFILE", file)
	for service, verified := range map[string]bool{"plain": false, "silent": true} {
		c, err := pgconn.ParseConfig(Verified("service=" + service))
		if err != nil || (c.TLSConfig != nil) != verified {
			t.Errorf("service %s: TLS %v, %v", service, c.TLSConfig != nil, err)
		}
	}
}

// TestTheEnvironmentDecidesOnTLS proves that PGSSLMODE counts as a word of the user's.
func TestTheEnvironmentDecidesOnTLS(t *testing.T) {
	t.Setenv("PGSSLMODE", "require")
	if dsn := "postgres://u@db.example.com/x"; Verified(dsn) != dsn {
		t.Errorf("it becomes %s", Verified(dsn))
	}
}
