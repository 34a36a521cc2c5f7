package postgres

import (
	"time"

	"github.com/freshet/freshet/cdc"
)

// progress is how far the first rows are read. It is guarded by Source.mu.
type progress struct {
	began     time.Time
	table     string
	rows      int64 // read since began
	all, left int64 // pages that were to be read then, and still are
}

// fillsLeft takes note of the tables that are still to be read, before and after each window.
func (s *Source) fillsLeft(fills []*fill) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(fills) == 0 {
		s.filling = nil
		return
	}
	if s.filling == nil {
		s.filling = &progress{began: time.Now()}
	}
	p := s.filling
	p.table, p.left = fills[0].table.plain(), 0
	for _, f := range fills {
		p.left += f.pagesLeft()
	}
	p.all = max(p.all, p.left)
}

// took counts rows of a chunk that have been put.
func (s *Source) took(f *fill, rows, pages int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.filling; p != nil {
		p.table, p.rows, p.left = f.table.plain(), p.rows+rows, max(p.left-pages, 0)
	}
}

// sawSlot takes note of what the server keeps for the slot.
func (s *Source) sawSlot(x *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.behind, s.looked = x.kept, x.behind, true
}

// Report says how the source stands: what is left of the first rows, and what the server keeps for the slot.
func (s *Source) Report() cdc.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := cdc.Report{RetainedBytes: -1, LagBytes: -1}
	if s.looked {
		report.RetainedBytes, report.LagBytes = s.kept, s.behind
	}
	p := s.filling
	if p == nil {
		return report
	}
	spent := time.Since(p.began).Seconds()
	x := &cdc.Reading{Collection: p.table, Rows: p.rows}
	if spent > 0 {
		x.RowsPerSecond = float64(p.rows) / spent
	}
	if p.all > 0 {
		x.Done = float64(p.all-p.left) / float64(p.all)
		if x.Done > 0 {
			x.Left = time.Duration(spent * (1 - x.Done) / x.Done * float64(time.Second))
		}
	}
	report.Reading = x
	return report
}
