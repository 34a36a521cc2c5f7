package pgvector_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// What cannot be is told when the flow is planned, before a server is asked.
func TestWhatCannotBeIsToldBeforehand(t *testing.T) {
	collection := func(name string, dims ...int) stream.Collection {
		schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}}}
		for i, n := range dims {
			schema.Columns = append(schema.Columns, cdc.Column{Name: string(rune('a' + i)), Type: cdc.Type{Kind: cdc.Vector, Dims: n}})
		}
		return stream.Collection{Name: name, Schema: schema}
	}
	const dsn = "postgres://u@127.0.0.1/d"
	tests := []struct {
		name        string
		plain       bool
		o           pgvector.Options
		in          []stream.Collection
		code, field string
		hint        string
	}{
		{name: "all is well", o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("a", 3)}},
		{name: "a plain table needs no vector", plain: true, o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("src.a"), collection("src.b", 3, 3)}},
		{name: "no dsn", o: pgvector.Options{}, code: "missing_key", field: "dsn", hint: "${PG_URL}"},
		{name: "a dsn that cannot be read", plain: true, o: pgvector.Options{DSN: "postgres://u:sekret@:x/d"}, code: "bad_value", field: "dsn", hint: "postgres://user"},
		{name: "a name whose quotes do not end", o: pgvector.Options{DSN: dsn, Table: `"a.b`}, code: "bad_value", field: "table", hint: "schema.table"},
		{name: "a table of three parts", o: pgvector.Options{DSN: dsn, Table: "a.b.c"}, code: "bad_value", field: "table", hint: "schema.table"},
		{name: "no vector", o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("a")}, code: "no_vector_column", field: "from", hint: "without vectors"},
		{name: "two vectors", o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("a", 3, 4)}, code: "no_vector_column", field: "from", hint: "of its own"},
		{name: "a long vector", o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("a", 2001)}, code: "bad_value", field: "index", hint: "halfvec"},
		{name: "a long vector in half precision", o: pgvector.Options{DSN: dsn, Half: true}, in: []stream.Collection{collection("a", 2001)}},
		{name: "a longer one", o: pgvector.Options{DSN: dsn, Half: true}, in: []stream.Collection{collection("a", 4001)}, code: "bad_value", field: "index", hint: "index: none"},
		{name: "without an index any length", o: pgvector.Options{DSN: dsn, Index: pgvector.None}, in: []stream.Collection{collection("a", 16000)}},
		{name: "two collections and one table", plain: true, o: pgvector.Options{DSN: dsn, Table: "t"}, in: []stream.Collection{collection("src.a"), collection("src.b")}, code: "bad_value", field: "table", hint: "of its own"},
		{name: "two collections of one name", plain: true, o: pgvector.Options{DSN: dsn}, in: []stream.Collection{collection("one.a"), collection("two.a")}, code: "bad_value", field: "table", hint: "of its own"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			declare := pgvector.New
			if test.plain {
				declare = pgvector.NewTable
			}
			sink, err := declare(test.o)
			if err == nil {
				_, err = sink.Bind(test.in)
			}
			var problem *stream.Problem
			switch {
			case test.code == "" && err != nil:
				t.Errorf("it is refused: %v", err)
			case test.code == "":
			case !errors.As(err, &problem), problem.Code != test.code, problem.Field != test.field, !strings.Contains(problem.Hint, test.hint):
				t.Errorf("it is answered with %v (%+v)", err, problem)
			case strings.Contains(problem.Message+problem.Hint, "sekret"):
				t.Errorf("the password is shown: %v", problem)
			}
		})
	}
}

// Two flows store alike what need not be stored anew: another index or metric, another database.
func TestOnlyWhatIsStoredCountsAsStorage(t *testing.T) {
	schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "v", Type: cdc.Type{Kind: cdc.Vector, Dims: 3}}}}
	storage := func(change func(o *pgvector.Options)) string {
		o := pgvector.Options{DSN: "postgres://u:one@127.0.0.1/d", Table: "t"}
		change(&o)
		sink, err := pgvector.New(o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := sink.Bind([]stream.Collection{{Name: "c", Schema: schema}})
		if err != nil || !b.Beside || strings.Join(b.Require, " ") != "v" {
			t.Fatalf("the binding is %+v (%v)", b, err)
		}
		return string(b.Storage)
	}
	was := storage(func(*pgvector.Options) {})
	if strings.Contains(was, "one") {
		t.Errorf("the storage tells the dsn: %s", was)
	}
	for name, change := range map[string]func(o *pgvector.Options){
		"the index": func(o *pgvector.Options) { o.Index = pgvector.None }, "the metric": func(o *pgvector.Options) { o.Metric = stream.L2 },
		"the dsn": func(o *pgvector.Options) { o.DSN = "postgres://u:two@127.0.0.1/d" },
	} {
		if storage(change) != was {
			t.Errorf("%s counts as storage", name)
		}
	}
	for name, change := range map[string]func(o *pgvector.Options){
		"the table": func(o *pgvector.Options) { o.Table = "other" }, "the precision": func(o *pgvector.Options) { o.Half = true },
	} {
		if storage(change) == was {
			t.Errorf("%s does not count as storage", name)
		}
	}
}
