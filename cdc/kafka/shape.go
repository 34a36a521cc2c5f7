package kafka

import (
	"github.com/freshet/freshet/cdc"
)

// shape finds the members of objects that are columns, wherever they stand. Of a name that comes twice
// the last one counts; names that are no column are passed over.
type shape struct {
	columns []cdc.Column
	index   map[string]int
	written [][]byte // the names as most writers write them: `"name":`
}

func newShape(columns []cdc.Column) *shape {
	s := &shape{columns: columns, index: make(map[string]int, len(columns))}
	for i := range columns {
		s.index[columns[i].Name] = i
		s.written = append(s.written, append(cdc.AppendJSONString(nil, columns[i].Name), ':'))
	}
	return s
}

// find scans an object and says where the value of each column stands.
func (s *shape) find(sc *scanner, into []token) error {
	clear(into)
	if err := sc.enter(); err != nil {
		return err
	}
	// Writers keep to one order of names: the column behind the last one found is tried first.
	next := 0
	for first := true; ; first = false {
		if next < len(s.columns) && sc.named(first, s.written[next]) {
			value, err := sc.value(1)
			if err != nil {
				return err
			}
			into[next] = value
			next++
			continue
		}
		name, value, more, err := sc.member(first, 1)
		if err != nil || !more {
			return err
		}
		if i, ok := s.index[string(name)]; ok {
			into[i], next = value, i+1
		}
	}
}
