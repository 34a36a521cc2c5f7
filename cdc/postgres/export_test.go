package postgres

import "time"

// InSmallSteps has the source read a page at a time, and changes after each few of them.
func (s *Source) InSmallSteps() { s.pace = pace{window: time.Millisecond, first: 1, most: 1} }
