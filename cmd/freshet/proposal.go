package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
)

// proposal is a flow over the tables of a schema, as init --from-db proposes it.
type proposal struct {
	flow     string
	variable string // of the environment, that holds the dsn
	found    *postgres.Inventory
	tables   []proposedTable
	leftOut  []leftOut
	sink     string // of what is searched: sinkEmbedded, sinkTables
}

// Sinks of what is searched.
const (
	sinkEmbedded = "vector"
	sinkTables   = "pgvector"
)

// proposedTable is a table that the flow reads.
type proposedTable struct {
	report  *postgres.TableReport
	name    string   // in the flow
	columns []string // that are read besides the key
	texts   []postgres.ColumnReport
	title   *postgres.ColumnReport // is sent to the model before each chunk; nil: none
	secrets []string
	spared  []string // columns that are not read for another reason, with it
}

// leftOut is a table that the flow does not read, and why.
type leftOut struct {
	Table   string `json:"table"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// Bounds of a proposal.
const (
	proseWidth = 32   // bytes: shorter values, on average, are labels and no prose
	labelWidth = 200  // bytes: longer values are not carried beside a chunk
	proseGuess = 2000 // bytes of a column without statistics that is named as prose is
	proseLimit = 100  // the least n of a varchar(n) without statistics that is taken for prose
	textsMost  = 3    // columns of a table that are searched as one text
	textShare  = 0.5  // of the longest column's width, that another one needs to be searched with it
)

var (
	// plainColumn is a name that an expression takes as row.<name>.
	plainColumn = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// secretColumn is a name of what should not get into an index by default.
	secretColumn = regexp.MustCompile(`(?i)passw|pwd|secret|token|credential|api_?key|private_?key|(^|_)(salt|digest|hash|otp|cvv|ssn|iban|pin)($|_)|_(hash|digest)`)
	// proseColumn is a name of what people write, for tables without statistics.
	proseColumn = regexp.MustCompile(`(?i)body|content|text|descri|note|comment|message|summary|article|abstract|question|answer|review|bio`)
	// titleColumn is a name of what says in a few words what a row is about.
	titleColumn = regexp.MustCompile(`(?i)^(title|subject|headline|name)$`)
	// bookkeeping are tables in which frameworks keep their own affairs.
	bookkeeping = regexp.MustCompile(`^(schema_migrations|ar_internal_metadata|django_(migrations|session|content_type|admin_log)|alembic_version|` +
		`flyway_schema_history|databasechangelog(lock)?|goose_db_version|_prisma_migrations|knex_migrations(_lock)?)$`)
	// reservedWord is what CEL keeps for itself.
	reservedWord = regexp.MustCompile(`^(true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while)$`)
)

// propose makes a flow of an inventory.
func propose(flow, variable string, found *postgres.Inventory) *proposal {
	p := &proposal{flow: flow, variable: variable, found: found}
	taken := map[string]bool{}
	for i := range found.Tables {
		t := &found.Tables[i]
		switch {
		case t.Fault != nil:
			p.leave(t, t.Fault.Code, t.Fault.Error(), t.Fault.Hint)
		case bookkeeping.MatchString(t.Name):
			p.leave(t, "bookkeeping", "a framework keeps its own affairs in table "+t.Schema+"."+t.Name, "")
		case t.Name == "freshet_progress" || isSink(t):
			p.leave(t, "sink", "a flow writes table "+t.Schema+"."+t.Name, "")
		default:
			p.tables = append(p.tables, proposedTable{report: t, name: freeName(t.Name, taken)}.choose())
		}
	}
	return p
}

func (p *proposal) leave(t *postgres.TableReport, code, message, hint string) {
	p.leftOut = append(p.leftOut, leftOut{Table: t.Schema + "." + t.Name, Code: code, Message: message, Hint: hint})
}

// isSink reports whether a table is a sink of some flow.
func isSink(t *postgres.TableReport) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(t.Columns, func(c postgres.ColumnReport) bool { return c.Name == name })
	}
	return has("_version") && has("_source")
}

// stepNameRoom is what step and sink names of a table may be longer than its own name.
const stepNameRoom = len("_vectors")

// freeName makes a name for a flow of a table's, which no other table has.
func freeName(table string, taken map[string]bool) string {
	base := strings.Trim(notInName.ReplaceAllString(strings.ToLower(table), "_"), "-_0123456789")
	base = strings.ReplaceAll(base, "-", "_")
	base = base[:min(len(base), 40-stepNameRoom)]
	if stream.CheckName(base) != nil {
		base = "table"
	}
	name := base
	for n := 2; taken[name]; n++ {
		suffix := "_" + strconv.Itoa(n)
		name = base[:min(len(base), 40-stepNameRoom-len(suffix))] + suffix
	}
	taken[name] = true
	return name
}

// choose says which columns of a table are read, and which of them are searched.
func (t proposedTable) choose() proposedTable {
	t.texts = t.prose()
	isText := func(name string) bool {
		return slices.ContainsFunc(t.texts, func(c postgres.ColumnReport) bool { return c.Name == name })
	}
	for _, c := range t.report.Columns {
		spared := sparedFor(c, len(t.texts) > 0)
		switch {
		case slices.Contains(t.report.Key, c.Name):
		case secretColumn.MatchString(c.Name):
			t.secrets = append(t.secrets, c.Name)
		case isText(c.Name):
			t.columns = append(t.columns, c.Name)
		case spared != "":
			t.spared = append(t.spared, c.Name+" ("+spared+")")
		default:
			t.columns = append(t.columns, c.Name)
			if t.title == nil && c.Text && len(t.texts) > 0 && sayable(c.Name) && titleColumn.MatchString(c.Name) {
				t.title = &c
			}
		}
	}
	return t
}

// madeColumn are the names of what the steps of a proposal add to a row.
var madeColumn = regexp.MustCompile(`^(chunk|chunk_id|seq|start|end|heading|vector)$`)

// sparedFor says why a column is not read; empty: it is. What stands beside chunks is there to be filtered by and to be shown.
func sparedFor(c postgres.ColumnReport, beside bool) string {
	switch {
	case c.Name[0] == '_':
		return "such names are those of sinks"
	case !c.Whole, beside && slices.Contains([]cdc.Kind{cdc.Bytes, cdc.JSON, cdc.Vector}, c.Type.Kind):
		return cmp.Or(c.Type.Native, c.Type.Kind.String())
	case !beside:
		return ""
	case c.Width > labelWidth:
		return "long"
	case madeColumn.MatchString(c.Name):
		return "the steps make a column of that name"
	}
	return ""
}

func sayable(column string) bool {
	return plainColumn.MatchString(column) && !reservedWord.MatchString(column)
}

// prose lists the columns that are searched: the longest one, and those of about its length, in the order of
// the table. A table without prose has none.
func (t proposedTable) prose() []postgres.ColumnReport {
	if slices.ContainsFunc(t.report.Key, func(k string) bool { return madeColumn.MatchString(k) || k[0] == '_' }) {
		return nil // the steps would have to replace a part of the key
	}
	var found []postgres.ColumnReport
	for _, c := range t.report.Columns {
		if c.Text && sayable(c.Name) && c.Name[0] != '_' && !secretColumn.MatchString(c.Name) && !slices.Contains(t.report.Key, c.Name) && length(c) >= proseWidth {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil
	}
	longest := length(slices.MaxFunc(found, func(a, b postgres.ColumnReport) int { return cmp.Compare(length(a), length(b)) }))
	found = slices.DeleteFunc(found, func(c postgres.ColumnReport) bool { return length(c) < longest*textShare })
	return found[:min(len(found), textsMost)]
}

// length is the average length of a column's values in bytes; without statistics a guess by type and name, which
// just orders columns.
func length(c postgres.ColumnReport) float64 {
	switch {
	case c.Width > 0:
		return c.Width
	case c.Limit > 0 && c.Limit < proseLimit, titleColumn.MatchString(c.Name):
		return 0
	case proseColumn.MatchString(c.Name):
		return proseGuess
	}
	return proseWidth
}

// embedded reports whether the flow has something to search.
func (p *proposal) embedded() []proposedTable {
	return slices.DeleteFunc(slices.Clone(p.tables), func(t proposedTable) bool { return len(t.texts) == 0 })
}

func (p *proposal) mirrored() []proposedTable {
	return slices.DeleteFunc(slices.Clone(p.tables), func(t proposedTable) bool { return len(t.texts) > 0 })
}

// index is the name of a table's index.
func (p *proposal) index(t proposedTable) string {
	if len(p.embedded()) == 1 {
		return "index"
	}
	return t.name + "_index"
}

// shown are the columns of a table's index: the key, what is carried beside the text, and the chunk.
func (t proposedTable) shown() []string {
	var columns []string
	for _, c := range slices.Concat(t.report.Key, t.columns) {
		if !slices.ContainsFunc(t.texts, func(x postgres.ColumnReport) bool { return x.Name == c }) {
			columns = append(columns, scalar(c))
		}
	}
	return append(columns, "chunk")
}

// rowsOf says how many rows a table has, and of one that was too busy to be counted, how to get to know it.
func rowsOf(t *postgres.TableReport) string {
	switch n := int64(t.Rows); {
	case n == 0:
		return "no rows"
	case n < 0:
		return "not counted: `ANALYZE " + comment(t.Table) + "` tells"
	default:
		return "about " + console.Counted(n, "row", "rows")
	}
}

// yaml writes the flow file.
func (p *proposal) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Proposed by `freshet init --from-db` from the catalog of database %s: delete what you do not need.", comment(p.found.Database))
	line("# The environment variable %s holds the connection string; it is never written down.", p.variable)
	line("flow: %s", p.flow)
	line("limits: {memory: 512MiB, disk_free: 1GiB}\n")
	line("sources:")
	line("  # One replication slot for all of them: what one transaction wrote becomes visible at once in a sink.")
	line("  db:\n    postgres:\n      dsn: \"${%s}\"\n      tables:", p.variable)
	for _, t := range p.tables {
		t.writeSource(line)
	}
	for _, x := range p.leftOut {
		line("        # not read: %s", comment(x.Message))
		if x.Hint != "" {
			line("        #   %s", comment(x.Hint))
		}
	}
	if found := p.embedded(); len(found) > 0 {
		line("\nsteps:")
		line("  # One row for each chunk of a text. A chunk keeps its identity while its text stays: an edit costs the chunks")
		line("  # that changed. The built-in model finds by meaning, was made for English and costs nothing: good to begin with.")
		for _, t := range found {
			t.writeSteps(line)
		}
	}
	line("\nsinks:")
	for _, t := range p.embedded() {
		target := "vector: {metric: cosine}"
		if p.sink == sinkTables {
			target = fmt.Sprintf(`pgvector: {dsn: "${%s}", table: %s_chunks}`, p.variable, t.name)
		}
		line("  %s: {from: %s_vectors, %s, columns: [%s]}", p.index(t), t.name, target, strings.Join(t.shown(), ", "))
	}
	if plain := p.mirrored(); len(plain) > 0 {
		names := make([]string, len(plain))
		for i, t := range plain {
			names[i] = "db." + t.name
		}
		line("  # Tables without prose: a log of their changes, one JSON object a line.")
		line("  rows: {from: [%s], jsonl: {path: %s-rows.jsonl}}", strings.Join(names, ", "), p.flow)
	}
	return b.String()
}

func (t proposedTable) writeSource(line func(string, ...any)) {
	said := rowsOf(t.report)
	for i, c := range t.texts {
		switch {
		case c.Width > 0 && i == 0:
			said += fmt.Sprintf("; %s has about %s bytes a row", c.Name, grouped(int64(c.Width)))
		case c.Width > 0:
			said += fmt.Sprintf(", %s %s", c.Name, grouped(int64(c.Width)))
		}
	}
	if len(t.secrets) > 0 {
		said += "; not read, since they may be secrets: " + strings.Join(t.secrets, ", ")
	}
	if len(t.spared) > 0 {
		said += "; not read, yours to add: " + strings.Join(t.spared, ", ")
	}
	columns := t.columns
	if len(columns) == 0 {
		columns = t.report.Key // an empty list would mean all
	}
	line("        # %s", comment(said))
	line("        %s: {table: %s, columns: [%s]}", t.name, scalar(t.report.Table), strings.Join(scalars(columns), ", "))
}

func (t proposedTable) writeSteps(line func(string, ...any)) {
	parts := make([]string, len(t.texts))
	for i, c := range t.texts {
		parts[i] = "row." + c.Name
		if c.Type.Nullable && len(t.texts) > 1 {
			parts[i] = fmt.Sprintf(`row.?%s.orValue("")`, c.Name)
		}
	}
	text := strings.Join(parts, ` + "\n\n" + `)
	if len(parts) > 1 {
		text = "'" + text + "'" // in double quotes YAML would read the \n itself
	}
	line("  %s_chunks: {from: db.%s, split: {text: %s, by: recursive, size: 800}}", t.name, t.name, text)
	sent := "row.chunk"
	if t.title != nil {
		sent = fmt.Sprintf(`'row.%s + "\n\n" + row.chunk'`, t.title.Name)
		if t.title.Type.Nullable {
			sent = fmt.Sprintf(`'row.?%s.orValue("") + "\n\n" + row.chunk'`, t.title.Name)
		}
	}
	line("  %s_vectors: {from: %s_chunks, embed: {model: builtin, text: %s}}", t.name, t.name, sent)
}

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
	// yamlWord is what YAML reads as something else than a text.
	yamlWord = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|inf)$`)
)

// scalar writes a text as YAML takes it within brackets. ${ would be a name of the environment.
func scalar(text string) string {
	if plainScalar.MatchString(text) && !yamlWord.MatchString(text) {
		return text
	}
	return strconv.Quote(strings.ReplaceAll(text, "${", "$${"))
}

func scalars(texts []string) []string {
	written := make([]string, len(texts))
	for i, text := range texts {
		written[i] = scalar(text)
	}
	return written
}

// comment makes one line of a text: a name in a catalog may hold anything.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return '�'
	}, text)
}
