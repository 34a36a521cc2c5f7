package pgvector

import "testing"

// A certificate is verified in full unless the dsn says otherwise or the server is this machine.
func TestServersElsewhereAreVerified(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	tests := []struct{ name, dsn, want string }{
		{"another machine", "postgres://u@db.example.com/d", "postgres://u@db.example.com/d?sslmode=verify-full"},
		{"with other parameters", "postgres://u@db.example.com/d?connect_timeout=3", "postgres://u@db.example.com/d?connect_timeout=3&sslmode=verify-full"},
		{"in words", "host=db.example.com dbname=d", "host=db.example.com dbname=d sslmode=verify-full"},
		{"the dsn decides", "postgres://u@db.example.com/d?sslmode=disable", "postgres://u@db.example.com/d?sslmode=disable"},
		{"this machine", "postgres://u@127.0.0.1:5433/d", "postgres://u@127.0.0.1:5433/d"},
		{"this machine by name", "postgres://u@localhost/d", "postgres://u@localhost/d"},
		{"this machine by its longer address", "postgres://u@[::1]/d", "postgres://u@[::1]/d"},
		{"a socket", "host=/var/run/postgresql dbname=d", "host=/var/run/postgresql dbname=d"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := verified(test.dsn); got != test.want {
				t.Errorf("it becomes %s, want %s", got, test.want)
			}
		})
	}
	t.Run("the environment decides", func(t *testing.T) {
		t.Setenv("PGSSLMODE", "require")
		if got := verified(tests[0].dsn); got != tests[0].dsn {
			t.Errorf("it becomes %s", got)
		}
	})
}
