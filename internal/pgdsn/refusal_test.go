package pgdsn

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a person has to mend is told apart from what passes by itself.
func TestARefusalIsAPersonsToMendAndAnOutagePasses(t *testing.T) {
	c, err := pgconn.ParseConfig("postgres://anna:hunter22@127.0.0.1/the%22shop")
	if err != nil {
		t.Fatal(err)
	}
	says := func(state string) error { return fmt.Errorf("connect: %w", &pgconn.PgError{Code: state}) }
	for _, x := range []struct {
		name       string
		err        error
		code, hint string
	}{
		{"a database that is not there", says("3D000"), "no_database", "`CREATE DATABASE \"the\"\"shop\"`"},
		{"a wrong password", says("28P01"), "access_denied", "user and password"},
		{"a role that is not there, or a line of pg_hba.conf", says("28000"), "access_denied", "pg_hba.conf"},
		{"a role that may not enter", says("42501"), "rights", "`GRANT CONNECT ON DATABASE \"the\"\"shop\" TO \"anna\"`"},
		{"a server that starts", says("57P03"), "", ""},
		{"a server that stops", says("57P01"), "", ""},
		{"a server that has no session left", says("53300"), "", ""},
		{"a database that takes nobody now", says("55000"), "", ""},
		{"nobody listens", fmt.Errorf("dial: %w", syscall.ECONNREFUSED), "", ""},
		{"a host that starts and another without the database", errors.Join(says("57P03"), says("3D000")), "", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			code, hint := Refusal(c, x.err)
			if code != x.code || !strings.Contains(hint, x.hint) || (code == "") != (hint == "") || strings.Contains(hint, "hunter") {
				t.Errorf("%q, %q", code, hint)
			}
		})
	}
}
