package operators

import "sync"

// lease keeps what an answerer has opened, such as connections or a process, for as long as somebody uses it: a Run, or a
// question beside one. It is safe for concurrent use.
type lease struct {
	end func() error // lets what was opened go; what is asked afterwards opens it anew

	mu    sync.Mutex // also held while it ends, so that nobody asks what is just going
	users int
}

func (l *lease) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

// leave is called once for each take. The last one lets go.
func (l *lease) leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users > 0 {
		return nil
	}
	return l.end()
}
