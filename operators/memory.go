package operators

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/stream"
)

// keepEvery is the least time between two writes of what a model has used. A budget does not depend on it:
// what a request may cost is kept before it is sent.
const keepEvery = 100 * time.Millisecond

// memory is what a model has to remember, and where it is kept.
type memory struct {
	face face

	mu       sync.Mutex
	spending backpressure.Spending // as it was kept last
	others   map[string]appearance // of other identities, as they were kept
	of       string                // this one
	keep     func([]byte) error
}

// remembered is a memory as it is kept. What was used is that of a name in the flow file, whichever models it
// has stood for; what a model looks like is that of one identity, so that a flow may change its model and
// change it back.
type remembered struct {
	Spending backpressure.Spending `json:"spending"`
	Faces    map[string]appearance `json:"faces,omitempty"` // by faceKey
}

// faceKey names an identity.
func faceKey(identity []byte) string {
	f := stream.FingerprintOf(identity)
	return hex.EncodeToString(f[:8])
}

func parseRemembered(last []byte) (r remembered, err error) {
	if len(last) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(last, &r); err != nil {
		return r, fmt.Errorf("read what the model remembers: %w", err)
	}
	return r, nil
}

// restore takes up what was kept. Where another model was found before, the next reply finds it again.
func (m *memory) restore(identity, last []byte, keep func([]byte) error, g *backpressure.Governor) error {
	r, err := parseRemembered(last)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.spending, m.keep, m.others, m.of = r.Spending, keep, r.Faces, faceKey(identity)
	m.mu.Unlock()
	m.face.mu.Lock()
	m.face.seen = r.Faces[faceKey(identity)]
	m.face.seen.Other = false // it may be the old one again: the next reply tells
	m.face.mu.Unlock()
	var write func(backpressure.Spending) error
	if keep != nil {
		write = m.write
	}
	g.Restore(r.Spending, write)
	return nil
}

func (m *memory) write(s backpressure.Spending) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spending = s
	return m.writeLocked()
}

func (m *memory) writeLocked() error {
	m.face.mu.Lock()
	r := remembered{Spending: m.spending, Faces: maps.Clone(m.others)}
	if r.Faces == nil {
		r.Faces = map[string]appearance{}
	}
	r.Faces[m.of] = m.face.seen
	m.face.fresh = false
	m.face.mu.Unlock()
	b, err := json.Marshal(r)
	if err == nil {
		err = m.keep(b)
	}
	if err != nil {
		m.face.mu.Lock()
		m.face.fresh = true
		m.face.mu.Unlock()
		return fmt.Errorf("keep what the model remembers: %w", err)
	}
	return nil
}

// persist keeps what has changed.
func (m *memory) persist(g *backpressure.Governor) error {
	err := g.Persist()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.face.mu.Lock()
	fresh := m.face.fresh
	m.face.mu.Unlock()
	if m.keep == nil || !fresh {
		return err
	}
	return errors.Join(err, m.writeLocked())
}

// run keeps what changes until ctx ends, and a last time then.
func (m *memory) run(ctx context.Context, g *backpressure.Governor, log *slog.Logger) {
	wake := make(chan struct{}, 1) // one: whoever is late finds all of it
	stop := g.Watch(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	defer stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-wake:
		}
		if err := m.persist(g); err != nil && log != nil {
			log.Warn("what the model has used is not kept", "err", err)
		}
		if running {
			select {
			case <-ctx.Done():
			case <-time.After(keepEvery):
			}
		}
	}
}

// revision is empty until another model was accepted.
func (m *memory) revision() []byte {
	m.face.mu.Lock()
	defer m.face.mu.Unlock()
	if m.face.seen.Accepted == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(m.face.seen.Accepted), 10)
}

// accept forgets what the model looked like, if another one was found.
func accept(identity, last []byte) (next []byte, changed bool) {
	r, err := parseRemembered(last)
	key := faceKey(identity)
	if err != nil || !r.Faces[key].Other {
		return last, false
	}
	r.Faces[key] = appearance{Accepted: r.Faces[key].Accepted + 1}
	next, err = json.Marshal(r)
	return next, err == nil
}
