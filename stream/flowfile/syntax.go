package flowfile

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	errorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// bareType is a nullable type inside braces or brackets, where YAML reads a ? as its own.
	bareType = regexp.MustCompile(`\b(?:string|int|float|bool|decimal|bytes|timestamp|date|uuid|json|(?:enum|vector)\([^)]*\))\?`)
	anchorOf = regexp.MustCompile(`unknown anchor '([^']*)'`)
	bareGlob = regexp.MustCompile(`[\[{,:\s](\*[^\s,\]}]*)`)
)

// syntaxError tells where the parser stopped and, where the usual causes are seen there, the fix. The
// parser counts lines from 0 for faults of structure and from 1 for faults of characters, leaves the
// line out where it is the first, and gives no column.
func (d *document) syntaxError(err error) {
	found := errorLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	if found == nil {
		d.syntax(spot{1, 1, 0}, err.Error(), "check the file with a YAML linter")
		return
	}
	line, message := 1, found[2]
	if found[1] != "" {
		line, _ = strconv.Atoi(found[1])
		if strings.HasPrefix(message, "did not find expected") && !strings.Contains(message, "alphabetic") {
			line++
		}
	}
	line = min(max(line, 1), len(d.lines))
	at, hint := d.cause(line, message)
	if at.line == 0 {
		at = d.firstWord(line)
	}
	d.syntax(at, "YAML does not parse: "+message, hint)
}

// cause looks for the usual mistakes around a line.
func (d *document) cause(line int, message string) (spot, string) {
	text := d.lines[line-1]
	switch {
	case strings.Contains(message, "unknown anchor"):
		name := ""
		if m := anchorOf.FindStringSubmatch(message); m != nil {
			name = m[1]
		}
		return d.find(1, len(d.lines), regexp.MustCompile(`\*`+regexp.QuoteMeta(name))),
			"quote a text that begins with *, such as '*" + name + "'; without quotes it is an alias"
	case strings.Contains(message, "alphabetic or numeric"):
		return d.find(line, len(d.lines), bareGlob), "quote a pattern that begins with *, such as '**/*.md'"
	case strings.Contains(message, "cannot start any token"):
		if tab := strings.IndexByte(text, '\t'); tab >= 0 && strings.TrimSpace(text[:tab]) == "" {
			return spot{line, tab + 1, 1}, "indent with spaces: YAML does not take tabs"
		}
		return spot{}, "quote the text: it begins with a character that YAML keeps for itself, such as @, ` or %"
	case strings.Contains(message, "expected ',' or"):
		if at := d.find(line, min(line+40, len(d.lines)), bareType); at.line > 0 {
			return at, `quote a type that ends with ? inside braces and brackets, such as "date?"`
		}
		return d.openBracket(line), "close the bracket or brace that opens here, or quote a text that holds brackets, braces or commas"
	case strings.Contains(message, "mapping values are not allowed"):
		return spot{}, "quote a text that holds a colon and a space; otherwise check that the keys of one block are indented alike"
	case strings.Contains(message, "unexpected end of stream"):
		return spot{}, "close the quotes of the last quoted text"
	}
	return spot{}, "check that the keys of one block are indented alike and that quotes and brackets are closed"
}

// find is the first place from line to last that a pattern matches.
func (d *document) find(line, last int, pattern *regexp.Regexp) spot {
	for i := line; i <= last; i++ {
		if m := pattern.FindStringSubmatchIndex(d.lines[i-1]); m != nil {
			start, end := m[0], m[1]
			if len(m) > 2 && m[2] >= 0 {
				start, end = m[2], m[3]
			}
			return spot{i, len([]rune(d.lines[i-1][:start])) + 1, len([]rune(d.lines[i-1][start:end]))}
		}
	}
	return spot{}
}

// openBracket is the first bracket or brace of a line that the line does not close.
func (d *document) openBracket(line int) spot {
	var open []int
	var quote rune
	for i, r := range []rune(d.lines[line-1]) {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '[' || r == '{':
			open = append(open, i)
		case (r == ']' || r == '}') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return spot{}
	}
	return spot{line, open[len(open)-1] + 1, 1}
}

// firstWord is the text of a line without its indentation.
func (d *document) firstWord(line int) spot {
	text := d.lines[line-1]
	trimmed := strings.TrimSpace(text)
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	return spot{line, indent + 1, len([]rune(trimmed))}
}

// inspect walks the tree once: what YAML allows and a flow file does not is told, aliases are
// bounded, and the environment is put in. It reports whether the tree is fit to be decoded.
func (d *document) inspect(top *yaml.Node) bool {
	w := walk{document: d, open: map[*yaml.Node]bool{}}
	w.node(top, 0)
	return !w.stop
}

type walk struct {
	*document
	open  map[*yaml.Node]bool // on the way from the top to here
	nodes int
	stop  bool
}

func (w *walk) node(n *yaml.Node, depth int) {
	if n = follow(n); w.stop || n == nil {
		return
	}
	w.nodes++
	switch {
	case w.open[n]:
		w.refuse(n, "the value holds itself by way of an alias", "write out what the alias stands for")
	case depth > maxDepth:
		w.refuse(n, "values are nested too deeply", "a flow file needs few levels; check its brackets")
	case w.nodes > maxNodes:
		w.refuse(n, "the aliases of the file expand without bound", "write out what the aliases stand for")
	}
	if w.stop {
		return
	}
	w.open[n] = true
	if !w.visited[n] {
		w.check(n)
	}
	w.visited[n] = true
	for i, c := range n.Content {
		if n.Kind == yaml.SequenceNode || i%2 == 1 {
			w.node(c, depth+1)
		}
	}
	delete(w.open, n)
}

func (w *walk) refuse(n *yaml.Node, message, hint string) {
	w.syntax(w.at(n), message, hint)
	w.stop = true
}

// check tells what is wrong with one node, and puts the environment into a scalar.
func (w *walk) check(n *yaml.Node) {
	if n.Style&yaml.TaggedStyle != 0 && !plainTags[n.ShortTag()] {
		w.syntax(w.at(n), "the tag "+strconv.Quote(n.Tag)+" means nothing in a flow file", "remove the tag")
	}
	switch n.Kind {
	case yaml.ScalarNode:
		w.substitute(n)
	case yaml.MappingNode:
		w.checkKeys(n)
	}
}

// plainTags are those that a value has anyway.
var plainTags = map[string]bool{"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!null": true,
	"!!seq": true, "!!map": true, "!": true}

func (w *walk) checkKeys(n *yaml.Node) {
	first := map[string]int{}
	for _, p := range pairs(n) {
		key := follow(p.key)
		switch line, twice := first[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			w.refuse(key, "a key is a text, not "+w.show(key, false), "quote the key")
			return
		case key.ShortTag() == "!!merge":
			w.refuse(key, "merge keys (<<) are not read", "write the keys out, or share a whole value by an alias: `limits: *limits`")
			return
		case twice:
			w.told[p.key] = true
			w.fault(w.at(key), "duplicate_name", "the name "+strconv.Quote(key.Value)+" is given twice, first in line "+strconv.Itoa(line),
				"rename or remove one of the two "+strconv.Quote(key.Value))
		default:
			first[key.Value] = key.Line
		}
	}
}
