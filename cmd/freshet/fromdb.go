package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/flowfile"
)

// schemaRead is the schema whose tables are proposed.
const schemaRead = "public"

// proposed is what init --from-db has done.
type proposed struct {
	File     string         `json:"file"`
	Flow     string         `json:"flow"`
	Env      string         `json:"env"`     // the variable that has to hold the dsn
	EnvSet   bool           `json:"env_set"` // it does already
	Database string         `json:"database"`
	Tables   []proposedRows `json:"tables"`
	LeftOut  []leftOut      `json:"left_out"`
	Missing  []api.Fault    `json:"missing"` // what the server lacks before the flow can run
	search   string         // the verb that searches the largest table; empty: none is searched
	major    int
}

type proposedRows struct {
	Table  string   `json:"table"`
	Rows   *int64   `json:"rows,omitempty"` // an estimate
	Search []string `json:"search"`         // columns that are embedded
	rows   string
}

// fromDatabase proposes a flow over the tables of a database and writes it to a file that is not there yet.
func (c *cli) fromDatabase(ctx context.Context, path, url, sink string) (*proposed, error) {
	// Before the server is asked: the file is most often why nothing is to be done.
	if _, err := os.Lstat(path); err == nil {
		return nil, usage(anotherFile, "%s is there already", path)
	}
	dsn, variable, err := connection(url, os.Environ())
	if err != nil {
		return nil, err
	}
	found, err := postgres.TakeInventory(ctx, dsn, schemaRead)
	var option *cdc.OptionError
	switch {
	case errors.As(err, &option):
		return nil, usage(option.Hint, "--from-db: %s", option.Err)
	case err != nil:
		return nil, err
	}
	p := propose(flowName(path), variable, found)
	p.sink = sink
	if err := p.empty(); err != nil {
		return nil, err
	}
	text := p.yaml()
	missing, err := c.checkProposal(ctx, path, text, variable, dsn)
	if err != nil {
		return nil, err
	}
	if err := writeFlow(path, text, false); err != nil {
		return nil, err
	}
	done := p.done(path)
	done.Missing, done.EnvSet = missing, os.Getenv(variable) == dsn
	return done, nil
}

// anotherFile is the hint where a file is there: what a database is proposed is never written over a file.
const anotherFile = "name another file: freshet init FILE --from-db URL"

var (
	nameOfVariable = regexp.MustCompile(`^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)
	usualVariable  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// connection finds the connection string and a variable of the environment for it: the one that was named in
// place of a URL, one that holds it already, else PG_URL or the first like it that holds nothing else.
func connection(url string, environment []string) (dsn, variable string, err error) {
	held := map[string]string{}
	var holders []string
	if m := nameOfVariable.FindStringSubmatch(url); m != nil {
		variable, url = m[1], ""
	}
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		held[name] = value
		if value == url && usualVariable.MatchString(name) {
			holders = append(holders, name)
		}
	}
	slices.Sort(holders)
	switch {
	case variable != "" && held[variable] == "":
		return "", "", newFault("missing_env", fmt.Sprintf("set it: export %s=…", variable), "the environment variable %s is not set", variable)
	case variable != "":
		return held[variable], variable, nil
	case strings.TrimSpace(url) == "":
		return "", "", usage("write --from-db postgres://user@host:5432/database, or --from-db '${PG_URL}'", "--from-db: no database is named")
	case held[defaultVariable] == url || len(holders) == 0 && held[defaultVariable] == "":
		return url, defaultVariable, nil
	case len(holders) > 0:
		return url, holders[0], nil
	}
	n := 2
	for held[fmt.Sprintf("%s_%d", defaultVariable, n)] != "" {
		n++
	}
	return url, fmt.Sprintf("%s_%d", defaultVariable, n), nil
}

// defaultVariable is what the guide calls the connection string.
const defaultVariable = "PG_URL"

// empty says why there is nothing to propose; nil where there is.
func (p *proposal) empty() error {
	if len(p.tables) > 0 {
		return nil
	}
	where := fmt.Sprintf("schema %s of database %s", schemaRead, p.found.Database)
	if len(p.leftOut) == 0 {
		return newFault("no_table", "name a database that has tables there, or write the flow file by hand; docs/postgres.md shows how", "%s has no table", where).exit(exitEnvironment)
	}
	// A right comes before a key: without it nothing can be said of the rest.
	at := max(0, slices.IndexFunc(p.leftOut, func(x leftOut) bool { return x.Code == "rights" }))
	first := p.leftOut[at]
	if first.Hint == "" {
		return newFault("no_table", "name a database with tables of your own", "%s has no table to read: %s", where, first.Message).exit(exitEnvironment)
	}
	var hints []string
	for _, x := range p.leftOut {
		if x.Code == first.Code && len(hints) < hintsMost {
			hints = append(hints, strings.Split(x.Hint, "; ")...)
		}
	}
	return newFault(first.Code, strings.Join(distinct(hints), "; "), "%s has no table that can be read: %s", where, first.Message).exit(exitEnvironment)
}

// distinct leaves out what was said before: the tables of a schema share the right to look into it.
func distinct(texts []string) []string {
	var said []string
	for _, text := range texts {
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return said
}

// hintsMost bounds the tables for which one error has a fix.
const hintsMost = 5

// exit is the fault with another exit code.
func (f *fault) exit(code int) *fault {
	f.Exit = code
	return f
}

// checkProposal validates a proposal against the database as the verb validate would. What the server lacks is
// given back and hinders nothing; a proposal that is no good flow is an error.
func (c *cli) checkProposal(ctx context.Context, path, text, variable, dsn string) ([]api.Fault, error) {
	log, err := c.logger()
	if err != nil {
		return nil, err
	}
	file, err := flowfile.Parse(path, []byte(text), flowfile.LoadOptions{Registry: registry(), Logger: log,
		LookupEnv: func(name string) (string, bool) { return dsn, name == variable }})
	if err != nil {
		return nil, fmt.Errorf("read the proposed flow: %s", err) // the file is not there that a diagnostic points at
	}
	missing := []api.Fault{}
	var faults flowfile.Diagnostics
	_, err = file.Plan(ctx)
	switch {
	case err == nil:
		return missing, nil
	case !errors.As(err, &faults):
		return nil, err
	}
	for _, d := range faults {
		if d.Exit != exitEnvironment {
			return nil, fmt.Errorf("check the proposed flow: %s", file.Redact(d.Error()))
		}
		missing = append(missing, api.Fault{Code: d.Code, Message: file.Redact(d.Message), Hint: file.Redact(d.Hint)})
	}
	return missing, nil
}

// done tells of a proposal that was written.
func (p *proposal) done(path string) *proposed {
	d := &proposed{File: path, Flow: p.flow, Env: p.variable, Database: p.found.Database, LeftOut: p.leftOut, major: p.found.Major}
	if d.LeftOut == nil {
		d.LeftOut = []leftOut{}
	}
	for _, t := range p.tables {
		row := proposedRows{Table: t.report.Schema + "." + t.report.Name, Search: []string{}, rows: rowsOf(t.report)}
		if t.report.Rows >= 0 {
			n := int64(t.report.Rows)
			row.Rows = &n
		}
		for _, c := range t.texts {
			row.Search = append(row.Search, c.Name)
		}
		d.Tables = append(d.Tables, row)
	}
	if found := p.embedded(); len(found) > 0 {
		most := slices.MaxFunc(found, func(a, b proposedTable) int { return cmp.Compare(a.report.Rows, b.report.Rows) })
		d.search = "query " + quoted(path)
		if len(found) > 1 {
			d.search += " --sink " + p.index(most)
		}
	}
	return d
}

// show tells people what was found and what to do next.
func (d *proposed) show(w io.Writer) {
	fmt.Fprintf(w, "wrote %s\n\ndatabase %s, PostgreSQL %d:\n", d.File, visible(d.Database), d.major)
	var rows [][]string
	for _, t := range d.Tables {
		does := "has no prose: its changes are logged"
		if len(t.Search) > 0 {
			does = "searched by " + strings.Join(t.Search, ", ")
		}
		rows = append(rows, []string{"  " + comment(t.Table), t.rows, does})
	}
	table(w, rows)
	for _, x := range d.LeftOut {
		fmt.Fprintf(w, "  left out: %s\n", comment(x.Message))
		if x.Hint != "" {
			fmt.Fprintf(w, "    %s\n", comment(x.Hint))
		}
	}
	for _, m := range d.Missing {
		fmt.Fprintf(w, "\nbefore it can run: %s\n    %s\n", comment(m.Message), comment(m.Hint))
	}
	fmt.Fprint(w, "\nnext:\n")
	if !d.EnvSet {
		fmt.Fprintf(w, "  export %s='…'   # the connection string that you gave; the file names just the variable\n", d.Env)
	}
	file := quoted(d.File)
	fmt.Fprintf(w, "  freshet doctor %s\n  freshet plan %[1]s\n  freshet run %[1]s\n", file)
	if d.search != "" {
		fmt.Fprintf(w, "  freshet %s \"what you look for\"\n", d.search)
	}
}
