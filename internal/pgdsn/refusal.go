package pgdsn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Refusal reads out of what became of an attempt to connect whether a person has to mend it, and gives the fault's code and
// hint: access_denied for the user, the password or a line of pg_hba.conf, no_database for a database that is not there,
// rights for a role that may not enter it. An empty code means that the server may yet let us in: it does not answer, it
// starts or stops, or it has no session left.
//
// Where several hosts were tried, the first that has answered counts.
func Refusal(c *pgconn.Config, err error) (code, hint string) {
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return "", ""
	}
	name := pgx.Identifier{c.Database}.Sanitize()
	switch {
	case server.Code == "3D000": // invalid_catalog_name
		return "no_database", fmt.Sprintf("make it: `CREATE DATABASE %s`, or correct the database in the dsn", name)
	case strings.HasPrefix(server.Code, "28"): // invalid_authorization_specification, invalid_password
		return "access_denied", "check user and password in the dsn, and the server's pg_hba.conf"
	case server.Code == "42501": // insufficient_privilege
		return "rights", fmt.Sprintf("as the owner of the database: `GRANT CONNECT ON DATABASE %s TO %s`", name, pgx.Identifier{c.User}.Sanitize())
	}
	return "", ""
}
