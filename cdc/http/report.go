package http

import (
	"sync/atomic"

	"github.com/freshet/freshet/cdc"
)

// facts count requests since the process began.
type facts struct {
	requests atomic.Int64
	taken    atomic.Int64
	repeated atomic.Int64
	refused  atomic.Int64 // by what was sent: 4xx but 429
	turned   atomic.Int64 // away: 429 and 503
}

// Report implements stream.Reporter.
func (s *Source) Report() cdc.Report {
	return cdc.Report{RetainedBytes: -1, LagBytes: -1, Pushes: &cdc.Pushes{Requests: s.facts.requests.Load(), Taken: s.facts.taken.Load(),
		Repeated: s.facts.repeated.Load(), Refused: s.facts.refused.Load(), TurnedAway: s.facts.turned.Load()}}
}
