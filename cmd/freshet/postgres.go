package main

import (
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type postgresSource struct {
	DSN         string       `yaml:"dsn" required:"true" doc:"The database, such as postgres://user@host:5432/db, best as ${NAME}. Certificates of other machines are verified in full unless it carries an sslmode."`
	Table       string       `yaml:"table" doc:"A table, such as public.docs; a partitioned one by its root."`
	Tables      []namedTable `yaml:"tables" doc:"Several tables, each a collection <source>.<name>, in one order of transactions."`
	Columns     []string     `yaml:"columns" doc:"Columns of the table that are read besides its key; all where absent."`
	Where       string       `yaml:"where" doc:"A condition in SQL over the table's columns; rows come and go with it."`
	Slot        string       `yaml:"slot" doc:"The replication slot; freshet_<flow> where absent."`
	Publication string       `yaml:"publication" doc:"The publication; freshet_<flow> where absent. One that others have made is used as it is."`
	Snapshot    string       `yaml:"snapshot" default:"initial" enum:"initial,never,incremental" doc:"Whether the rows are read as they stand before the first change."`
	OnSlotLost  string       `yaml:"on_slot_lost" default:"fail" enum:"fail,resnapshot" doc:"When the slot does not continue what is held: stop, or read the tables again and write what differs."`
}

// namedTable is an entry of tables.
type namedTable struct {
	Name  string      `yaml:",key"`
	Table sourceTable `yaml:",value"`
}

type sourceTable struct {
	Table   string   `yaml:"table,scalar" required:"true" doc:"The table, such as public.orders."`
	Columns []string `yaml:"columns" doc:"Columns that are read besides the key; all where absent."`
	Where   string   `yaml:"where" doc:"A condition in SQL over the table's columns."`
}

// postgresSources names slots and publications after the flow; those of a second source of one flow also
// after the source. It counts the sources of one flow file, so each registry has its own.
func postgresSources() flowfile.SourceKind {
	sources := 0
	return flowfile.SourceKind{
		Doc: "Tables of a PostgreSQL database: their rows, then every change in the order of commits.",
		New: func() any { return new(postgresSource) },
		Build: func(config any, env *flowfile.Env) (stream.Source, error) {
			sources++
			name := "freshet_" + env.Flow
			if sources > 1 {
				name += "_" + env.Node
			}
			return newPostgresSource(config.(*postgresSource), postgres.SlotName(name), env)
		},
	}
}

func newPostgresSource(c *postgresSource, name string, env *flowfile.Env) (stream.Source, error) {
	o := postgres.Options{DSN: c.DSN, Slot: c.Slot, Publication: c.Publication, Logger: env.Logger}
	if o.Slot == "" {
		o.Slot = name
	}
	if o.Publication == "" {
		o.Publication = name
	}
	if c.OnSlotLost == "resnapshot" {
		o.OnSlotLost = postgres.SlotLostResnapshot
	}
	switch c.Snapshot {
	case "never":
		o.Snapshot = postgres.SnapshotNever
	case "incremental":
		o.Snapshot = postgres.SnapshotIncremental
	}
	switch {
	case c.Table != "" && len(c.Tables) > 0:
		return nil, &stream.Problem{Code: "bad_value", Field: "tables", Message: "both `table` and `tables` are given", Hint: "keep one of the two"}
	case len(c.Tables) > 0 && (len(c.Columns) > 0 || c.Where != ""):
		return nil, &stream.Problem{Code: "bad_value", Field: "tables", Message: "`columns` and `where` do not say of which table",
			Hint: "write them with their table: tables: {orders: {table: public.orders, where: ..}}"}
	}
	if c.Table != "" {
		o.Tables = []postgres.TableOptions{{Table: c.Table, Columns: c.Columns, Where: c.Where}}
	}
	for _, t := range c.Tables {
		o.Tables = append(o.Tables, postgres.TableOptions{Name: t.Name, Table: t.Table.Table, Columns: t.Table.Columns, Where: t.Table.Where})
	}
	s, err := postgres.New(o)
	if err != nil {
		return nil, problemsOf(err)
	}
	return s, nil
}
