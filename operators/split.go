package operators

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators/split"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// SplitConfig is `split: {text: …, by: …}`.
type SplitConfig struct {
	Text     string `yaml:"text" required:"true" doc:"A CEL expression for the text that is split. Where it is just a column, chunk replaces that column. A null or empty text has no chunks."`
	By       string `yaml:"by" default:"recursive" enum:"recursive,markdown,code,sentence" doc:"Where the text is cut: at paragraphs, lines and sentences; at Markdown sections and blocks; at declarations of a programming language; or at sentences."`
	Size     int    `yaml:"size" min:"1" doc:"Most that a chunk measures; 1000 chars or 400 tokens where absent."`
	Overlap  int    `yaml:"overlap" default:"0" min:"0" doc:"How much of the text before it a chunk may repeat, as a part of its size."`
	Unit     string `yaml:"unit" default:"chars" enum:"chars,tokens" doc:"What size and overlap count: code points, or tokens of cl100k_base."`
	Language string `yaml:"language" doc:"Programming language for by: code. Absent or auto: told by the extension of the column path; a file of no known language is split recursively."`
}

// splitVersion changes when the rows made of the same chunks differ from before; split.Version stands for
// the chunks.
const splitVersion = 1

// The columns that split adds. The last four are on demand: positions move when something is inserted
// before them, and headings when a section is renamed.
const (
	columnChunkID = "chunk_id"
	columnChunk   = "chunk"
	columnSeq     = "seq"
	columnStart   = "start"
	columnEnd     = "end"
	columnHeading = "heading"
)

// pathColumn tells the language of a text, as files and s3 name it.
const pathColumn = "path"

type splitting struct {
	config  SplitConfig
	options split.Options
	auto    bool // the language is told by the path
}

// NewSplit is the operator that cuts texts into chunks, each a row under its owner's key and a chunk_id
// made of its text.
func NewSplit(c SplitConfig) (stream.Operator, error) {
	s := splitting{config: c, options: split.Options{Size: c.Size, Overlap: c.Overlap}}
	var faults []error
	if c.By != "" {
		by, err := split.ParseBy(c.By)
		faults = append(faults, optionProblems(err)...)
		s.options.By = by
	}
	if c.Unit != "" {
		unit, err := split.ParseUnit(c.Unit)
		faults = append(faults, optionProblems(err)...)
		s.options.Unit = unit
	}
	s.auto = c.Language == "auto" || c.Language == "" && s.options.By == split.Code
	if c.Language != "" && !s.auto {
		language, err := split.ParseLanguage(c.Language)
		faults = append(faults, optionProblems(err)...)
		s.options.Language = language
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	check := s.options
	if s.auto {
		if s.options.By != split.Code {
			return nil, &stream.Problem{Code: "bad_value", Field: "language",
				Message: "language is only read when splitting by code", Hint: "leave it out, or write by: code"}
		}
		check.Language = split.Go
	}
	if err := check.Validate(); err != nil {
		return nil, errors.Join(optionProblems(err)...)
	}
	return s, nil
}

// optionProblems words what package split says of its options.
func optionProblems(err error) []error {
	if err == nil {
		return nil
	}
	var all split.OptionErrors
	var one split.OptionError
	switch {
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = split.OptionErrors{one}
	default:
		return []error{err}
	}
	faults := make([]error, len(all))
	for i, e := range all {
		faults[i] = &stream.Problem{Code: "bad_value", Field: e.Field, Message: e.Field + ": " + e.Problem, Hint: e.Hint}
	}
	return faults
}

type boundSplit struct {
	splitting
	carry
	text     *expr.Program
	reads    []string
	path     int // the column that tells the language; -1: none does
	splitter *split.Splitter
	byName   map[split.Language]*split.Splitter // of auto
	replaced string
	added    []string // names of the columns behind those carried, in order
	onDemand []string
	scratch  *sync.Pool // of *splitScratch
}

// splitScratch is the memory of one call of Map.
type splitScratch struct {
	text []byte
	id   []byte
	seen map[chunkHash]int
}

// chunkHash is the part of a chunk's hash that names it. Chunks of one owner whose hashes are equal are
// told apart by their number, so that a collision loses nothing.
type chunkHash [8]byte

// Bind implements stream.Operator.
func (s splitting) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	text, err := expr.Compile(s.config.Text, in, expr.Options{Want: []cdc.Kind{cdc.String}, Field: "text"})
	if err != nil {
		return nil, err
	}
	b := &boundSplit{splitting: s, text: text, path: -1, reads: text.Reads(),
		scratch: &sync.Pool{New: func() any { return &splitScratch{seen: map[chunkHash]int{}} }}}
	if err := b.languages(in); err != nil {
		return nil, err
	}
	if isKeyColumn(in, columnChunk) {
		return nil, &stream.Problem{Code: "bad_value", Message: `split adds a column "chunk", and the key has that name`,
			Hint: "name the key column otherwise in the source"}
	}
	replaced := []string{columnChunk, columnSeq, columnStart, columnEnd, columnHeading}
	if name, ok := text.Column(); ok {
		b.replaced = name
		replaced = append(replaced, name)
	}
	b.carry = carrying(in, keep, replaced...)
	b.columns(in, keep)
	return b, nil
}

// columns adds the columns that split makes.
func (b *boundSplit) columns(in *cdc.Schema, keep func(string) bool) {
	// A chunk may be split again: then the key has a chunk_id already.
	id := columnChunkID
	for n := 2; isKeyColumn(in, id); n++ {
		id = columnChunkID + "_" + strconv.Itoa(n)
	}
	b.schema.Key = append(b.schema.Key, b.add(id, cdc.Type{Kind: cdc.String}))
	text, number := cdc.Type{Kind: cdc.String}, cdc.Type{Kind: cdc.Int64}
	for _, c := range []cdc.Column{{Name: columnChunk, Type: text}, {Name: columnSeq, Type: number},
		{Name: columnStart, Type: number}, {Name: columnEnd, Type: number}, {Name: columnHeading, Type: text.OrNull()}} {
		if c.Name == columnHeading && b.options.By != split.Markdown || isKeyColumn(in, c.Name) {
			continue // a key column of that name wins over a position
		}
		if c.Name != columnChunk {
			b.onDemand = append(b.onDemand, c.Name)
		}
		if keep(c.Name) {
			b.add(c.Name, c.Type)
			b.added = append(b.added, c.Name)
		}
	}
}

// languages makes the splitters.
func (b *boundSplit) languages(in *cdc.Schema) (err error) {
	if !b.auto {
		b.splitter, err = split.New(b.options)
		return err
	}
	b.path = in.Index(pathColumn)
	if b.path < 0 || in.Columns[b.path].Type.Kind != cdc.String {
		return &stream.Problem{Code: "missing_key", Field: "language", Message: "splitting by code needs a language",
			Hint: "write language: go (or another), as there is no column path whose extension would tell it"}
	}
	if !slices.Contains(b.reads, pathColumn) {
		b.reads = append([]string{pathColumn}, b.reads...)
	}
	b.byName = map[split.Language]*split.Splitter{}
	for _, name := range split.Languages() {
		o := b.options
		if o.Language, err = split.ParseLanguage(name); err != nil {
			return fmt.Errorf("list languages: %w", err)
		}
		if b.byName[o.Language], err = split.New(o); err != nil {
			return fmt.Errorf("split %s: %w", name, err)
		}
	}
	plain := b.options
	plain.By = split.Recursive
	b.splitter, err = split.New(plain)
	return err
}

func (b *boundSplit) Schema() *cdc.Schema { return b.schema }
func (b *boundSplit) Reads() []string     { return b.reads }

// OnDemand implements stream.Selective.
func (b *boundSplit) OnDemand() []string { return b.onDemand }

func (b *boundSplit) Logic() []byte {
	o, language := b.splitter.Options(), "none"
	switch {
	case b.auto:
		language = "auto"
	case b.options.By == split.Code:
		language = b.options.Language.String()
	}
	options := fmt.Appendf(nil, "algorithm %d by %s size %d overlap %d unit %s language %s replaces %q", split.Version,
		b.options.By, o.Size, o.Overlap, o.Unit, language, b.replaced)
	return logic("split", splitVersion, options, b.text.Logic())
}

// bytesOfToken is about how many bytes of text a token stands for.
const bytesOfToken = 4

// Foretell implements stream.Foretelling. A chunk is taken for half as large as it may be, since it ends where the text
// allows, so that fewer chunks come out of most texts.
func (b *boundSplit) Foretell(in cdc.Estimate) cdc.Estimate {
	if in.Rows < 0 || in.Bytes < 0 {
		return cdc.Estimate{Rows: -1, Bytes: in.Bytes}
	}
	o := b.splitter.Options()
	size, fresh := int64(o.Size), int64(max(1, o.Size-o.Overlap))
	all := cdc.Estimate{Bytes: in.Bytes * size / fresh}
	if o.Unit == split.Tokens {
		fresh *= bytesOfToken
	}
	all.Rows = in.Rows + 2*in.Bytes/fresh
	return all
}

// of is the splitter for a row.
func (b *boundSplit) of(in cdc.Row) *split.Splitter {
	if b.path < 0 {
		return b.splitter
	}
	if s := b.byName[languageOf(in.At(b.path).TextView())]; s != nil {
		return s
	}
	return b.splitter
}

// Map implements stream.Mapper.
func (b *boundSplit) Map(in cdc.Row, out *stream.Rows) error {
	mem := b.scratch.Get().(*splitScratch)
	defer b.scratch.Put(mem)
	clear(mem.seen)
	text, next, null, err := b.text.TextView(mem.text, in)
	mem.text = next
	if err != nil || null {
		return err
	}
	seq := int64(0)
	b.of(in).Split(cdc.Value{Raw: text}.TextView(), func(c split.Chunk) bool {
		out.Builder.Reset()
		b.append(&out.Builder, in)
		mem.id = mem.name(c.Text)
		out.Builder.Bytes(mem.id)
		for _, name := range b.added {
			addChunk(&out.Builder, name, c, seq)
		}
		out.Emit()
		seq++
		return true
	})
	return nil
}

// addChunk adds one of split's columns.
func addChunk(b *cdc.RowBuilder, column string, c split.Chunk, seq int64) {
	switch column {
	case columnChunk:
		b.Text(c.Text)
	case columnSeq:
		b.Int64(seq)
	case columnStart:
		b.Int64(int64(c.Start))
	case columnEnd:
		b.Int64(int64(c.End))
	case columnHeading:
		if c.Heading == "" {
			b.Null()
			return
		}
		b.Text(c.Heading)
	}
}

// name is the identity of a chunk within its owner: 16 hexadecimal digits of its hash and, from the
// second of its kind on, its number among its equals.
func (m *splitScratch) name(text string) []byte {
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(text), len(text)))
	hash := chunkHash(sum[:8])
	m.seen[hash]++
	id := m.id[:0]
	const digits = "0123456789abcdef"
	for _, c := range hash {
		id = append(id, digits[c>>4], digits[c&15])
	}
	if n := m.seen[hash]; n > 1 {
		id = strconv.AppendInt(append(id, '-'), int64(n), 10)
	}
	return id
}

// languageOf tells a programming language by the extension of a path; the zero Language is none.
func languageOf(file string) split.Language {
	return extensions[strings.ToLower(path.Ext(file))]
}
