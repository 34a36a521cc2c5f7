package operators

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// checkAdded refuses a name that no column may have.
func checkAdded(field, name string) error {
	if name != "" && name[0] != '_' {
		return nil
	}
	return &stream.Problem{Code: "bad_value", Field: field, Message: fmt.Sprintf("%q cannot name a column", name),
		Hint: "names that begin with _ are kept for what sinks add, such as _key and _version"}
}

// checkReplaced refuses a column that replaces a part of the key.
func checkReplaced(in *cdc.Schema, name string) error {
	if !isKeyColumn(in, name) {
		return nil
	}
	return &stream.Problem{Code: "bad_value", Field: "as", Message: fmt.Sprintf("%q is part of the key and cannot be replaced", name),
		Hint: "name another column, such as as: text_" + name}
}

// compileTwo makes the expressions of two fields, or tells all that is wrong with both.
func compileTwo(in *cdc.Schema, want cdc.Kind, a, b [2]string) (first, second *expr.Program, err error) {
	first, errA := expr.Compile(a[1], in, expr.Options{Want: []cdc.Kind{want}, Field: a[0]})
	second, errB := expr.Compile(b[1], in, expr.Options{Want: []cdc.Kind{want}, Field: b[0]})
	return first, second, errors.Join(errA, errB)
}

// readsOf are the columns that expressions read, each once.
func readsOf(programs ...*expr.Program) []string {
	var names []string
	for _, p := range programs {
		for _, name := range p.Reads() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
