package http

import "sync/atomic"

// room is how many bytes of pushes may be held between the body of a request and whoever runs the source (I9). Where
// that takes nothing, for want of credit, the room fills and requests are turned away.
type room struct {
	free atomic.Int64
}

func newRoom(bytes int64) *room {
	r := &room{}
	r.free.Store(bytes)
	return r
}

// take takes bytes where there are so many.
func (r *room) take(bytes int64) bool {
	if r.free.Add(-bytes) >= 0 {
		return true
	}
	r.free.Add(bytes)
	return false
}

func (r *room) give(bytes int64) { r.free.Add(bytes) }
