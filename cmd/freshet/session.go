package main

import (
	"context"
	"errors"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// session is an opened state with its engine.
type session struct {
	*flow
	db     *statestore.DB
	engine *engine.Engine
}

// begin opens the state and the engine over it.
func (f *flow) begin(ctx context.Context, o engine.Options) (*session, error) {
	db, err := f.store(false)
	if err != nil {
		return nil, err
	}
	o.Text, o.Restore, o.Logger = f.file.Redact(string(f.file.Text)), f.restore, f.log
	var e *engine.Engine
	if err = f.resumes(ctx, db); err == nil {
		e, err = engine.Open(ctx, f.plan, db, o)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &session{flow: f, db: db, engine: e}, nil
}

// resumesTime is how long a source may take to hold the state against what it reads: a server that does not answer keeps no
// flow from its start. A source that another process has is waited for as long, with a pause between two looks: the process
// of a moment ago may not have left it yet.
const (
	resumesTime  = 5 * time.Second
	resumesPause = 200 * time.Millisecond
)

// resumes ends a run before its sinks are opened where it could not go on with them: where its sources have parted from the state,
// which is behind its sinks as well then, so that they would be written from it first (I10), and where a source is in use by
// another process, whose sinks this one would take. Any other fault is the run's to meet, and to wait out.
func (f *flow) resumes(ctx context.Context, db *statestore.DB) error {
	if err := engine.BelongsTo(db, f.plan.Flow); err != nil {
		return err
	}
	starts, err := engine.StoppedStarts(db, f.plan)
	if err != nil {
		return err
	}
	for _, n := range f.plan.Sources {
		source, ok := n.Source.(stream.Resumable)
		if !ok {
			continue
		}
		err := resumesFrom(ctx, source, starts[n.Name].Resume)
		if errors.Is(err, cdc.ErrGap) && !starts[n.Name].Rescan || inUse(err) {
			return &engine.ReadError{Source: n.Name, Err: err}
		}
	}
	return nil
}

// resumesFrom asks a source for at most resumesTime.
func resumesFrom(ctx context.Context, source stream.Resumable, from cdc.Position) error {
	limited, cancel := context.WithTimeout(ctx, resumesTime)
	defer cancel()
	for {
		_, err := source.Resumes(limited, from)
		if !inUse(err) || idle.For(limited, resumesPause) != nil {
			return err
		}
	}
}

// inUse reports whether a source says that another process has it.
func inUse(err error) bool {
	source, ok := errors.AsType[*cdc.SourceError](err)
	return ok && (source.Code == "source_in_use" || source.Code == "address_in_use")
}

// end closes engine and state.
func (s *session) end() error { return errors.Join(s.engine.Close(), s.db.Close()) }

// The letters of a session, as the HTTP API wants them.
func (s *session) List() ([]engine.DeadLetter, error) { return engine.DeadLetters(s.db) }

func (s *session) Find(id string) (engine.DeadLetter, bool, error) {
	return engine.FindDeadLetter(s.db, id)
}

func (s *session) Retry(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return s.engine.RetryDeadLetters(ctx, id)
}

func (s *session) Discard(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return s.engine.DiscardDeadLetters(ctx, id)
}
