package operators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// keepEvery is the least time between two writes of what a model has used. A budget does not depend on it:
// what a request may cost is kept before it is sent.
const keepEvery = 100 * time.Millisecond

// memory is what a model has to remember, and where it is kept.
type memory struct {
	face face

	mu       sync.Mutex
	spending backpressure.Spending // as it was kept last
	keep     func([]byte) error
}

// remembered is a memory as it is kept.
type remembered struct {
	Spending backpressure.Spending `json:"spending"`
	Face     appearance            `json:"face"`
	Accepted int                   `json:"accepted,omitempty"`
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

// restore takes up what was kept. Where another model was found before, the governor stops at once: it is
// for a person to say what becomes of the old vectors.
func (m *memory) restore(last []byte, keep func([]byte) error, g *backpressure.Governor) error {
	r, err := parseRemembered(last)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.spending, m.keep = r.Spending, keep
	m.mu.Unlock()
	m.face.mu.Lock()
	m.face.seen, m.face.accept = r.Face, r.Accepted
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
	r := remembered{Spending: m.spending, Face: m.face.seen, Accepted: m.face.accept}
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
	if m.face.accept == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(m.face.accept), 10)
}

// accept forgets what the model looked like, if another one was found.
func accept(last []byte) (next []byte, changed bool) {
	r, err := parseRemembered(last)
	if err != nil || !r.Face.Other {
		return last, false
	}
	r.Face = appearance{}
	r.Accepted++
	next, err = json.Marshal(r)
	return next, err == nil
}
