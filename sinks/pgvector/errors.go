package pgvector

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/internal/pgdsn"
	"github.com/freshet/freshet/stream"
)

// refuses reports whether an error of the server is about a value that it will never take: out of a type's range, not
// of an enum, against a constraint that somebody has put on the table, too long for the key's index.
func refuses(e *pgconn.PgError) bool {
	switch e.Code {
	case "54000": // program_limit_exceeded
		return true
	case "23503": // foreign_key_violation: what it refers to may come yet
		return false
	}
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23")
}

// vanished reports whether a table or a column is not there any more.
func vanished(e *pgconn.PgError) bool {
	return e.Code == "42P01" || e.Code == "42703" || e.Code == "3F000"
}

// gone reports whether the server has ended the session.
func gone(e *pgconn.PgError) bool {
	return strings.HasPrefix(e.Code, "57P") || e.Code == "25P03" || strings.HasPrefix(e.Code, "08")
}

// describe makes problems of what a user has to mend before the sink can be opened.
func describe(err error) error {
	var (
		server  *pgconn.PgError
		connect *pgconn.ConnectError
		own     *stream.Problem
	)
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &connect):
		return unreachable(connect)
	case errors.As(err, &server) && server.Code == "42501":
		return &stream.Problem{Code: "rights", Exit: 3, Field: "dsn", Message: server.Message,
			Hint: "grant the role what it lacks: `GRANT USAGE, CREATE ON SCHEMA public TO role`, or ownership of the table"}
	case errors.As(err, &server) && server.Code == "3F000":
		return &stream.Problem{Code: "unknown_schema", Exit: 3, Field: "table", Message: server.Message, Hint: "make the schema, or name another one in table: schema.table"}
	}
	return err
}

// unreachable never shows the dsn. pgconn's own words name host, user and database, which status may show as well.
func unreachable(err *pgconn.ConnectError) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		code, hint := pgdsn.Refusal(err.Config, server)
		switch {
		case code != "":
		case strings.HasPrefix(server.Code, "57P"), strings.HasPrefix(server.Code, "53"):
			code, hint = "server_unreachable", "wait until the server takes connections"
		default:
			code, hint = "server_unreachable", "check the dsn, and what the server's log says"
		}
		return &stream.Problem{Code: code, Exit: 3, Field: "dsn", Message: "the server refuses the session: " + server.Message, Hint: hint}
	}
	reasons := strings.Split(err.Unwrap().Error(), "\n") // one for each address, with TLS and without
	slices.Sort(reasons)
	return &stream.Problem{Code: "server_unreachable", Exit: 3, Field: "dsn", Message: "the server cannot be reached: " + strings.Join(slices.Compact(reasons), "; "),
		Hint: "start the server, or correct host, port and sslmode in the dsn"}
}
