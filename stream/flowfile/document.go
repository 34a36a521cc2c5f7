package flowfile

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a flow file, so that a hostile one costs no more than a large one.
const (
	maxFileBytes = 1 << 20
	maxNodes     = 200_000 // with every alias expanded
	maxDepth     = 200
)

// document is the text of one flow file, its tree, and the faults found in it.
type document struct {
	file    string
	text    string
	lines   []string
	root    *yaml.Node // a mapping; nil where there is none
	lookup  func(string) (string, bool)
	faults  Diagnostics
	spots   []spot                // of the faults
	told    map[*yaml.Node]bool   // keys whose fault is told: what follows from it is not
	written map[*yaml.Node]string // text of a scalar before its ${NAME} were replaced
	visited map[*yaml.Node]bool
	hidden  map[*yaml.Node]bool // scalars that hold a secret
	secrets redactor
	masks   []mask
}

// lineBreak is what YAML counts as the end of a line.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

func newDocument(file string, lookup func(string) (string, bool)) *document {
	return &document{file: file, lookup: lookup, told: map[*yaml.Node]bool{}, written: map[*yaml.Node]string{},
		hidden: map[*yaml.Node]bool{}, visited: map[*yaml.Node]bool{}}
}

// read parses a text. The faults that it leaves are those of YAML and of the environment.
func (d *document) read(text []byte) {
	d.text = strings.TrimPrefix(string(text), "\ufeff")
	d.lines = lineBreak.Split(d.text, -1)
	if len(text) > maxFileBytes {
		d.fault(spot{}, "flow_unreadable", fmt.Sprintf("a flow file holds at most %d bytes, not %d", maxFileBytes, len(text)),
			"name a flow file; long prompts go into files of their own: {file: prompts/facts.md}")
		return
	}
	if d.checkCharacters() {
		d.parse()
	}
}

// checkCharacters finds what YAML cannot hold at all, for which its parser gives no line.
func (d *document) checkCharacters() bool {
	for i, line := range d.lines {
		column := 0
		for at, r := range line {
			column++
			_, size := utf8.DecodeRuneInString(line[at:])
			switch {
			case r == utf8.RuneError && size == 1:
				d.syntax(spot{i + 1, column, 1}, "the file is not UTF-8 text", "save the file as UTF-8")
				return false
			case r < ' ' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0:
				d.syntax(spot{i + 1, column, 1}, fmt.Sprintf("the control character %U is not allowed", r),
					`remove it; in a quoted text it can be written as an escape, such as "\e"`)
				return false
			}
		}
	}
	return true
}

func (d *document) parse() {
	var root yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(d.text))
	err := decoder.Decode(&root)
	if errors.Is(err, io.EOF) || err == nil && isEmpty(&root) {
		d.fault(spot{1, 1, 0}, "missing_key", `the file is empty: the key "flow" is missing`,
			"begin with `flow: <name>`, or let `freshet init` write a flow file")
		return
	}
	if err != nil {
		d.syntaxError(err)
		return
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntaxError(err)
		return
	default:
		d.syntax(spot{max(second.Line, 1), max(second.Column, 1), 3}, "a flow file holds one document, and here a second one begins",
			"remove the line `---`, and give each flow a file of its own")
		return
	}
	top := root.Content[0]
	if !d.inspect(top) {
		return
	}
	if top.Kind != yaml.MappingNode {
		d.fault(d.at(top), "wrong_type", fmt.Sprintf("a flow file is a mapping, not %s", d.show(top, false)),
			"begin with `flow: <name>`")
		return
	}
	d.root = top
}

func isEmpty(root *yaml.Node) bool {
	return len(root.Content) == 0 || root.Content[0].Kind == yaml.ScalarNode && root.Content[0].ShortTag() == "!!null"
}

// fault tells one fault.
func (d *document) fault(at spot, code, message, hint string) {
	d.add(at, Diagnostic{Code: code, Message: message, Hint: hint})
}

func (d *document) add(at spot, fault Diagnostic) {
	fault.File, fault.Line, fault.Column = d.file, at.line, at.column
	fault.Message, fault.Hint = shortened(fault.Message, 1000), shortened(fault.Hint, 1000)
	if fault.Hint == "" {
		fault.Hint = hintOf(fault.Code)
	}
	if fault.Exit == 0 {
		fault.Exit = exitOf(fault.Code)
	}
	d.faults = append(d.faults, fault)
	d.spots = append(d.spots, at)
}

// shortened cuts a text that quotes too much of the file.
func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func (d *document) syntax(at spot, message, hint string) { d.fault(at, "yaml_syntax", message, hint) }

// take hands out the faults in order, with their snippets: by then all secrets are known.
func (d *document) take() Diagnostics {
	for i := range d.faults {
		d.faults[i].Snippet = d.snippet(d.spots[i])
	}
	all := d.faults.inOrder()
	d.faults, d.spots = nil, nil
	return all
}

// follow is the node that an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// isNull reports a value that is not there: `key:`, `~` or `null`.
func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// pair is an entry of a mapping.
type pair struct{ key, value *yaml.Node }

// pairs are the entries of a mapping in their order.
func pairs(n *yaml.Node) []pair {
	n = follow(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	all := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		all = append(all, pair{n.Content[i], follow(n.Content[i+1])})
	}
	return all
}

// entryOf is the entry of a mapping under a key.
func entryOf(n *yaml.Node, key string) (pair, bool) {
	for _, p := range pairs(n) {
		if p.key.Value == key {
			return p, true
		}
	}
	return pair{}, false
}

// show describes a value for a message: what was found where something else is wanted.
func (d *document) show(n *yaml.Node, secret bool) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	text := n.Value
	if written, ok := d.written[n]; ok {
		text = written
	} else if secret {
		return "a text (secret, not shown)"
	}
	text = shortened(text, 40)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && n.ShortTag() != "!!str" {
		return text
	}
	return strconv.Quote(text)
}
