package operators

import (
	"fmt"
	"sync"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/stream"
)

// Generative makes a generator behind a server a model that the engine asks through a queue. Its results
// are what the task of a call reads in the answers. It is safe for concurrent use.
type Generative struct {
	*asker
	tasks *tasks
}

var (
	_ stream.RemoteModel = (*Generative)(nil)
	_ stream.CallQueue   = (*Generative)(nil)
	_ stream.Remembering = (*Generative)(nil)
	_ stream.Resuming    = (*Generative)(nil)
)

// NewGenerative names a generator. Options.Done and Options.Rows are the adapter's own.
func NewGenerative(name string, g accel.Generator, o ModelOptions) *Generative {
	t := &tasks{known: map[stream.Fingerprint]accel.Task{}}
	o.Rows = 1
	return &Generative{asker: newAsker(name, accel.Generation(g, t.find), o, false), tasks: t}
}

// tasks are what the steps of a flow ask of a model, by what they depend on.
type tasks struct {
	mu    sync.Mutex
	known map[stream.Fingerprint]accel.Task
}

// assign makes a task known and returns what the inputs of its calls begin with.
func (t *tasks) assign(logic []byte, task accel.Task) stream.Fingerprint {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := stream.FingerprintOf(logic)
	t.known[id] = task
	return id
}

// find splits a call into its task and its prompt.
func (t *tasks) find(text string) (accel.Task, string, error) {
	var id stream.Fingerprint
	if len(text) < len(id) {
		return accel.Task{}, "", fmt.Errorf("find task of a call: %d bytes are none", len(text))
	}
	copy(id[:], text)
	t.mu.Lock()
	defer t.mu.Unlock()
	task, ok := t.known[id]
	if !ok {
		return accel.Task{}, "", fmt.Errorf("find task of a call: %x is not known", id)
	}
	return task, text[len(id):], nil
}
