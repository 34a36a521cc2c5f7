package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// batchBytes is the size at which a batch is handed over also in the middle of a transaction.
const batchBytes = 1 << 20

// progressPause bounds how often a place without changes is put.
const progressPause = 200 * time.Millisecond

// stream reads from the place on until ctx ends or the connection breaks.
func (r *run) stream(ctx context.Context, conn *pgconn.PgConn, w *wire) error {
	if err := r.startReplication(ctx, conn); err != nil {
		return err
	}
	o := &r.source.options
	every := o.StatusEvery
	if t := r.facts.senderTimeout; t > 0 {
		every = min(every, t/3)
	}
	r.feedback = &feedback{conn: w, waiting: &w.waiting, durable: r.source.durable, told: r.told, asked: make(chan struct{}, 1),
		every: max(every, 10*time.Millisecond), liveness: o.Liveness}
	r.feedback.hungry.Store(true)
	r.feedback.ask()
	r.found, r.asked = make(chan error, 1), make(chan struct{}, 1)
	telling, stop := context.WithCancel(ctx)
	var teller sync.WaitGroup
	teller.Go(func() { r.feedback.run(telling) })
	teller.Go(func() { r.watch(telling) })
	defer func() {
		stop()
		teller.Wait()
	}()
	r.out.Problem(nil)
	r.logReturn()
	err := r.follow(ctx, w)
	if errors.Is(err, errDone) {
		r.awaitDurable(ctx)
	}
	return err
}

// startReplication asks for the stream.
func (r *run) startReplication(ctx context.Context, conn *pgconn.PgConn) error {
	o := &r.source.options
	options := []string{"proto_version '2'", "streaming 'on'", "publication_names " + literal(quoted(o.Publication))}
	if len(r.fills) > 0 || r.parted {
		options = append(options, "messages 'true'") // marks of windows
	}
	if !r.text && r.allBinary() {
		options = append(options, "binary 'true'")
	}
	sql := fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (%s)", quoted(o.Slot), r.place.lsn, strings.Join(options, ", "))
	conn.Frontend().SendQuery(&pgproto3.Query{String: sql})
	if err := conn.Frontend().Flush(); err != nil {
		return fmt.Errorf("start the stream of slot %s: %w", o.Slot, err)
	}
	for {
		message, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return fmt.Errorf("start the stream of slot %s: %w", o.Slot, err)
		}
		switch m := message.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return r.streamFault(pgconn.ErrorResponseToPgError(m))
		}
	}
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// allBinary reports whether every carried column can be read in binary form.
func (r *run) allBinary() bool {
	for i, t := range r.tables {
		for _, at := range r.carried[i] {
			if !t.columns[at].codec.binary() {
				return false
			}
		}
		for _, at := range t.key {
			if !t.columns[at].codec.binary() {
				return false
			}
		}
	}
	return true
}

// streamFault makes an error of what the server says on the stream.
func (r *run) streamFault(e *pgconn.PgError) error {
	err := fmt.Errorf("read slot %s: %w", r.source.options.Slot, e)
	switch e.Code {
	case stateMissingFile:
		return r.gap("%s", e.Message)
	case stateNotReady:
		if strings.Contains(e.Message, "can no longer get changes") || strings.Contains(e.Message, "invalidated") {
			return r.gap("%s", e.Message)
		}
	case stateUndefined:
		if strings.Contains(e.Message, "publication") {
			return &cdc.SourceError{Code: "rights", Err: err,
				Hint: "make the publication again: " + fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", quoted(r.source.options.Publication), definition(r.tables)) +
					"; changes of the meantime are read by `freshet reset <flow> --source NAME --yes`"}
		}
	}
	return err
}

// awaitDurable gives the flow a moment to make durable what was put last, so that the server hears of it.
func (r *run) awaitDurable(ctx context.Context) {
	begun := time.Now()
	for r.source.durable() < r.putAt && time.Since(begun) < 2*time.Second {
		if idle.For(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
}

// follow reads messages. A batch is handed over when nothing more has arrived, or when it is large.
func (r *run) follow(ctx context.Context, w *wire) error {
	for {
		w.funnel.laden = r.laden()
		kind, body, err := w.frame()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		switch kind {
		case 'd':
			if err := r.copyData(ctx, body); err != nil {
				return err
			}
		case 'E':
			return r.serverError(body)
		case 'c':
			return errors.New("read the stream: the server has ended it")
		}
		if (!w.ready() && !r.txn.open) || r.batch.Bytes() > batchBytes {
			if err := r.settle(ctx); err != nil {
				return err
			}
		}
		if err := r.beside(ctx, !w.ready()); err != nil {
			return err
		}
	}
}

// beside does what is to be done next to the stream.
func (r *run) beside(ctx context.Context, idle bool) error {
	select {
	case err := <-r.found:
		return err
	default:
	}
	if r.parted && !r.txn.open && time.Since(r.looked) > r.source.options.GuardEvery {
		if err := r.lookAtFamilies(ctx); err != nil {
			return err
		}
	}
	if len(r.fills) == 0 {
		return nil
	}
	return r.advance(ctx, idle)
}

func (r *run) serverError(body []byte) error {
	var e pgproto3.ErrorResponse
	if err := e.Decode(bytes.Clone(body)); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return r.streamFault(pgconn.ErrorResponseToPgError(&e))
}

// settle hands over what there is, and says so when that is all that stood in the log at the start.
func (r *run) settle(ctx context.Context) error {
	if !r.txn.open {
		reached := !r.caught && len(r.fills) == 0 && r.place.lsn >= r.target
		if r.place.lsn > r.putAt && len(r.batch.Txns()) == 0 && (reached || time.Since(r.putTime) > progressPause) {
			r.commit(0)
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		if reached {
			r.caught = true
			if err := r.out.CaughtUp(ctx); err != nil {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
			if r.start.Once {
				return errDone
			}
		}
		r.feedback.hungry.Store(!r.caught || r.place.lsn > r.putAt || len(r.fills) > 0)
		return nil
	}
	r.txn.dirty = r.txn.dirty || r.batch.Len() > r.txn.first
	r.txn.first = 0
	return r.flush(ctx)
}

// commit ends a transaction in the batch at the present place.
func (r *run) commit(at int64) {
	r.batch.Commit(r.place.encode(), at)
	r.putAt, r.putTime = r.place.lsn, time.Now()
	r.source.raise(r.putAt)
}

// Heads of what travels in the stream.
const (
	walHead       = 1 + 8 + 8 + 8
	keepaliveSize = 1 + 8 + 8 + 1
)

// copyData takes a piece of the log or a sign of life.
func (r *run) copyData(ctx context.Context, body []byte) error {
	switch {
	case len(body) > walHead && body[0] == 'w':
		at := cursor{b: body[1:9]}
		r.received(at.lsn())
		return r.message(ctx, body[walHead:])
	case len(body) >= keepaliveSize && body[0] == 'k':
		c := cursor{b: body[1:]}
		end := c.lsn()
		c.stamp()
		if c.u8() == 1 {
			r.feedback.ask()
		}
		r.keepalive(end)
		return nil
	}
	return fmt.Errorf("%w: a piece of %d bytes", errMessage, len(body))
}

func (r *run) received(lsn LSN) {
	if uint64(lsn) > r.feedback.received.Load() {
		r.feedback.received.Store(uint64(lsn))
	}
}

// keepalive moves the place on where no transaction is under way: everything that committed before end has
// been sent. The server hears of it when the place is durable, as of every other (I1).
func (r *run) keepalive(end LSN) {
	r.received(end)
	if !r.txn.open && r.spills.into == nil {
		r.place.to(end)
	}
}

// message takes one message of the output plugin.
func (r *run) message(ctx context.Context, body []byte) error {
	kind, c := body[0], &cursor{b: body[1:]}
	if ok, err := r.streamed(ctx, kind, c); ok || err != nil {
		return err
	}
	switch kind {
	case msgBegin:
		at, stamp := c.lsn(), c.stamp()
		xid := c.u32()
		if err := c.fault(kind); err != nil {
			return err
		}
		r.overlaps.reset()
		r.txn = openTxn{open: true, xid: xid, time: stamp, at: at, first: r.batch.Len()}
		return nil
	case msgCommit:
		c.u8()
		c.lsn()
		end := c.lsn()
		c.stamp()
		if err := c.fault(kind); err != nil {
			return err
		}
		return r.end(ctx, end)
	case msgOrigin, msgType:
		return nil
	}
	return r.change(ctx, kind, c)
}

// end closes the transaction. One without changes of the flow's tables only moves the place.
func (r *run) end(ctx context.Context, at LSN) error {
	txn := r.txn
	r.txn = openTxn{}
	r.place.to(at)
	if txn.dirty || r.batch.Len() > txn.first {
		r.commit(txn.time)
	}
	if len(r.fills) > 0 && !r.facts.standby {
		return r.streamedTxn(ctx, txn.xid)
	}
	return nil
}

// change takes what happens within a transaction.
func (r *run) change(ctx context.Context, kind byte, c *cursor) error {
	switch kind {
	case msgRelation:
		rel, err := readRelation(c)
		if err != nil {
			return err
		}
		return r.relation(ctx, rel)
	case msgInsert:
		return r.insert(c)
	case msgUpdate:
		return r.update(ctx, c)
	case msgDelete:
		return r.delete(ctx, c)
	case msgTruncate:
		return r.truncate(c)
	case msgMessage:
		return r.marked(c)
	}
	return fmt.Errorf("%w: %q is no kind of message", errMessage, kind)
}
