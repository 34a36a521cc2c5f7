package postgres

import (
	"time"

	"github.com/freshet/freshet/cdc"
)

// InSmallSteps has the source read a page at a time, and changes after each few of them.
func (s *Source) InSmallSteps() { s.pace = pace{window: time.Millisecond, first: 1, most: 1} }

// WithoutLayout is a position as versions before layouts wrote it.
func WithoutLayout(position cdc.Position) cdc.Position {
	p, err := readPlace(position)
	if err != nil {
		panic(err)
	}
	for i := range p.tables {
		p.tables[i].layout = ""
	}
	return p.encode()
}
