// Package pgdsn is what source and sinks of PostgreSQL read alike out of a connection string, and out of what became of
// it: whether the server's certificate has to be verified, and whether a person has to mend that a server refuses a session.
// It belongs here if it needs nothing but the string, what libpq lets stand beside it, and the error.
//
// It imports none of Freshet's packages.
package pgdsn

import (
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Verified asks for a verified certificate where nobody says anything of TLS and a server is another machine. What
// the connection string says counts, also where it asks for less.
func Verified(dsn string) string {
	if os.Getenv("PGSSLMODE") != "" {
		return dsn
	}
	c, err := pgconn.ParseConfig(dsn)
	if err != nil || !undecided(c) {
		return dsn // the fault is told by whoever reads it next
	}
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, ok := strings.CutPrefix(dsn, scheme); ok {
			return scheme + withFirst(rest, "sslmode=verify-full")
		}
	}
	return "sslmode=verify-full " + dsn // what stands later counts
}

// withFirst puts a parameter before those of a URL, so that what stands there counts. A name and a password may hold
// a question mark, and end with the @ before any slash.
func withFirst(url, parameter string) string {
	from := 0
	if i := strings.IndexAny(url, "@/"); i >= 0 && url[i] == '@' {
		from = i + 1
	}
	if i := strings.IndexByte(url[from:], '?'); i >= 0 {
		return url[:from+i+1] + parameter + "&" + url[from+i+1:]
	}
	return url + "?" + parameter
}

// undecided reports whether a server on another machine would be asked for TLS, and be spoken with in clear where
// it has none: so it is when nobody says anything.
func undecided(c *pgconn.Config) bool {
	hosts := map[string][2]bool{c.Host: {c.TLSConfig != nil, c.TLSConfig == nil}}
	for _, f := range c.Fallbacks {
		with := hosts[f.Host]
		with[0], with[1] = with[0] || f.TLSConfig != nil, with[1] || f.TLSConfig == nil
		hosts[f.Host] = with
	}
	for host, with := range hosts {
		if with == [2]bool{true, true} && !near(host) {
			return true
		}
	}
	return false
}

// near reports whether a host is this machine.
func near(host string) bool {
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
