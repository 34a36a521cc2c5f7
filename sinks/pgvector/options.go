package pgvector

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// Options say where the tables are and how they are made.
type Options struct {
	// DSN is the server and the database: a URL or key=value pairs as libpq reads them. It may hold a password and is
	// never shown or stored.
	DSN string
	// Table is the name of the table, with its schema or without; empty names it after the collection.
	Table string
	// Index is how vectors are searched; the default is [HNSW].
	Index Index
	// Metric is how likeness is measured; the default is [stream.Cosine].
	Metric stream.Metric
	// Half stores vectors in half precision: half the space, and up to 4,000 dimensions in an index.
	Half bool
	// Unmanaged leaves tables, indexes and the table freshet_progress to the user: what is missing is an error that
	// holds the SQL.
	Unmanaged bool
	// Timeout bounds one exchange with the server: 0 stands for one minute, and large ranges get more.
	Timeout time.Duration
	// Logger receives what an operator must know and no call returns. Nil discards it.
	Logger *slog.Logger
}

// Index is the kind of index over the vectors.
type Index uint8

// The kinds of index.
const (
	HNSW    Index = iota // a graph: good from the first row on
	IVFFlat              // lists: cheaper to write; made once there are a thousand rows to place them by
	None                 // every search reads all rows: exact, and the cheapest to keep fresh
)

// String is the name that flow files use.
func (x Index) String() string { return [...]string{"hnsw", "ivfflat", "none"}[x%3] }

// ParseIndex returns the index of a name.
func ParseIndex(name string) (Index, error) {
	for x := HNSW; x <= None; x++ {
		if x.String() == name {
			return x, nil
		}
	}
	return 0, fmt.Errorf("parse index %q: want hnsw, ivfflat or none", name)
}

// operatorOf is the extension's distance of a metric, and operatorsOf the suffix of its operator class.
func operatorOf(m stream.Metric) string  { return [...]string{"<=>", "<#>", "<->"}[m%3] }
func operatorsOf(m stream.Metric) string { return [...]string{"cosine_ops", "ip_ops", "l2_ops"}[m%3] }

// scoreOf turns the extension's distance into a score.
func scoreOf(m stream.Metric, distance float64) float32 {
	if m == stream.Cosine {
		return float32(1 - distance)
	}
	return float32(-distance) // <#> is the negated inner product
}

// dims bounds what an index of the extension takes.
func (o Options) dims() int {
	if o.Half {
		return 4000
	}
	return 2000
}

func (o Options) vectorType() string {
	if o.Half {
		return "halfvec"
	}
	return "vector"
}

func (o Options) check(kind string) error {
	if o.DSN == "" {
		return &stream.Problem{Code: "missing_key", Field: "dsn", Message: "a " + kind + " sink needs a dsn",
			Hint: `give the database, such as dsn: "${PG_URL}"`}
	}
	if _, err := pgconn.ParseConfig(o.DSN); err != nil {
		return &stream.Problem{Code: "bad_value", Field: "dsn", Message: "the dsn cannot be read", // the error shows parts of it
			Hint: "write postgres://user:password@host:5432/database?sslmode=verify-full, with a password from ${NAME}"}
	}
	if _, _, ok := splitName(o.Table); o.Table != "" && !ok {
		return &stream.Problem{Code: "bad_value", Field: "table", Message: fmt.Sprintf("%q is no name of a table", o.Table),
			Hint: "write table or schema.table, and what has a dot in it as in SQL: '\"my.schema\".docs'"}
	}
	return nil
}

// splitName reads table, or schema.table. Either may stand in double quotes, as in SQL; without them a name is taken as it is.
func splitName(text string) (schema, name string, ok bool) {
	var parts []string
	for rest := text; ; rest = rest[1:] {
		part, quoted := "", strings.HasPrefix(rest, `"`)
		if quoted {
			rest = rest[1:]
			for {
				before, after, closed := strings.Cut(rest, `"`)
				if !closed {
					return "", "", false
				}
				part, rest = part+before, after
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				part, rest = part+`"`, rest[1:]
			}
		} else if part = rest; strings.Contains(rest, ".") {
			part = rest[:strings.Index(rest, ".")]
			rest = rest[len(part):]
		} else {
			rest = ""
		}
		parts = append(parts, part)
		if rest == "" || rest[0] != '.' {
			ok = rest == "" && len(parts) <= 2 && !slices.Contains(parts, "")
			break
		}
	}
	if !ok {
		return "", "", false
	}
	name = parts[len(parts)-1]
	if len(parts) == 2 {
		schema = parts[0]
	}
	return schema, name, true
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
