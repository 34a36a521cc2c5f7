package flowfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// Test is an entry of `tests:`: the rows that a step is given and those that it is to yield.
type Test struct {
	Name  string // for people; `<step> <n>` where the file gives none
	Step  string
	Given []TestRow
	Want  []TestRow
	Line  int
}

// TestRow is a row as the file writes it. cdc.RowFromJSON reads it against the schema of the step's
// input or output.
type TestRow struct {
	JSON json.RawMessage // an object, columns in the order of the file
	Line int

	node *yaml.Node
}

// testHead are the keys of a test.
type testHead struct {
	Name  string       `yaml:"name" doc:"What the test shows, for people."`
	Step  string       `yaml:"step" required:"true" doc:"The step that is tested, alone."`
	Given []*yaml.Node `yaml:"given" required:"true" doc:"Rows of the step's input, each a mapping of columns."`
	Want  []*yaml.Node `yaml:"want" required:"true" doc:"Rows that the step yields for them, in any order; columns that are not named are not compared."`
}

// tests decodes the tests of a file, and checks that their steps are there.
func (b *builder) tests(list []*yaml.Node) {
	var steps []string
	for _, n := range b.file.nodes {
		if n.in.noun == "step" {
			steps = append(steps, n.name)
		}
	}
	count := map[string]int{}
	for i, n := range list {
		var head testHead
		p := place{value: n, label: fmt.Sprintf("test %d", i+1)}
		if !b.decode(p, &head) {
			continue
		}
		if !slices.Contains(steps, head.Step) {
			b.problem(p, &stream.Problem{Code: "unknown_name", Field: "step", Message: fmt.Sprintf("no step is named %q", head.Step),
				Hint: stream.DidYouMean("steps", head.Step, steps)})
			continue
		}
		count[head.Step]++
		if head.Name == "" {
			head.Name = head.Step + " " + strconv.Itoa(count[head.Step])
		}
		b.file.Tests = append(b.file.Tests, Test{Name: head.Name, Step: head.Step, Line: n.Line,
			Given: b.rows(head.Given), Want: b.rows(head.Want)})
	}
}

func (b *builder) rows(list []*yaml.Node) []TestRow {
	rows := make([]TestRow, 0, len(list))
	for _, n := range list {
		if n.Kind != yaml.MappingNode {
			b.fault(b.at(n), "wrong_type", fmt.Sprintf("a row must be a mapping of columns, not %s", b.show(n, false)),
				"write `{column: value}`")
			continue
		}
		rows = append(rows, TestRow{JSON: appendJSON(nil, n), Line: n.Line, node: n})
	}
	return rows
}

// appendJSON writes a value of the file as JSON, keys in their order.
func appendJSON(dst []byte, n *yaml.Node) []byte {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i, e := range pairs(n) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendText(dst, e.key.Value), ':')
			dst = appendJSON(dst, e.value)
		}
		return append(dst, '}')
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, c := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, c)
		}
		return append(dst, ']')
	}
	switch x := plain(n).(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendText(dst, x)
	default:
		number, _ := json.Marshal(x) // plain yields finite numbers and booleans here
		return append(dst, number...)
	}
}

func appendText(dst []byte, text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}
