package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// run is one call of Source.Run. It belongs to the goroutine of that call.
type run struct {
	source *Source
	start  cdc.Start
	out    cdc.Inlet
	told   chan struct{}

	place   place // what has been put; system 0: nothing is held yet
	putAt   LSN   // of the last transaction that was put
	putTime time.Time
	batch   *cdc.Batch
	target  LSN // what stood in the log at the start
	caught  bool
	reread  bool   // what Start.Rescan asks for is done
	lost    string // why the database is not read just now, as it was logged; empty: it is read
	// rescanning says that it is under way: tables that the place names have been read again.
	rescanning bool
	leap       bool // the stream has to go on behind what stands in the log now
	text       bool // the stream is asked for text: some type has no binary form that is known

	// Of the present session.
	sql       *pgx.Conn
	facts     *facts
	tables    []*table
	carried   [][]int
	byOID     map[uint32]int // index into tables, of the tables that the flow names
	bindings  map[uint32]*binding
	readers   []*pgx.Conn // that read rows
	fills     []*fill     // tables whose rows are still to be read, in this order
	load      bool        // they are read in one window, all of them
	window    *window     // nil: none is open
	pages     uint32      // that are read at once
	recess    time.Time   // until then changes come before rows
	halted    bool        // the recess has a reason
	waited    time.Duration
	waiting   time.Time // since when windows are put off
	hindered  bool      // it was told that they are
	unseen    []uint32  // transactions that were streamed and that nobody may see yet
	doubts    []uint64  // those that were under way when the session began
	parted    bool      // some table has partitions
	kin       []uint32  // partitions that have joined in this session
	strangers []uint32  // tables that are described in the stream and that the flow does not name
	looked    time.Time // when the partitions were compared last
	feedback  *feedback
	found     chan error    // one place: what the watch has found that ends the session
	asked     chan struct{} // one place: that the watch has to look
	decoder   decoder
	overlaps  overlaps
	spills    spills
	txn       openTxn
}

// openTxn is the transaction that the stream is in.
type openTxn struct {
	open    bool
	xid     uint32
	time    int64 // of its commit
	at      LSN   // of the record of its commit
	first   int   // index into the batch of its first change; changes that were put before are not counted
	dirty   bool  // it has put changes
	visible bool  // other sessions see it
}

func (s *Source) newRun(start cdc.Start, out cdc.Inlet) (*run, error) {
	p, err := readPlace(start.Resume)
	if err != nil {
		return nil, err
	}
	return &run{source: s, start: start, out: out, told: make(chan struct{}, 1), place: p, putAt: p.lsn, reread: !start.Rescan, batch: out.Batch(),
		spills: spills{dir: s.options.SpillDir}}, nil
}

// Pauses before another session.
const (
	leastPause = 200 * time.Millisecond
	mostPause  = 5 * time.Second
)

// errDone ends a run that was asked for what stands in the source.
var errDone = errors.New("done")

// errAgain begins another session at once.
var errAgain = errors.New("begin another session")

// loop runs sessions until ctx ends, the source is exhausted, or a fault is a person's to mend.
func (r *run) loop(ctx context.Context) error {
	pause := leastPause
	for {
		begun := time.Now()
		err := r.session(ctx)
		r.drop()
		fault, mends := errors.AsType[*cdc.SourceError](err)
		switch {
		case ctx.Err() != nil, errors.Is(err, errDone):
			return nil
		case errors.Is(err, errAgain):
			continue
		case errors.Is(err, errFormUnknown):
			r.text = true
			continue
		case mends && fault.Code != "server_unreachable", errors.Is(err, errMessage), errors.Is(err, errRefused):
			return err
		}
		if time.Since(begun) > mostPause {
			pause = leastPause
		}
		r.logLoss(err, pause)
		r.out.Problem(err)
		if idle.For(ctx, pause) != nil {
			return nil
		}
		pause = min(2*pause, mostPause)
	}
}

// logLoss tells a cause once, however often it is met again: an outage may last for days.
func (r *run) logLoss(err error, pause time.Duration) {
	level := slog.LevelDebug
	if r.lost != err.Error() {
		r.lost, level = err.Error(), slog.LevelWarn
	}
	r.source.options.Logger.Log(context.Background(), level, "the database is not read; it is tried again", "position", r.place.lsn, "cause", err, "pause", pause)
}

// logReturn tells that an outage which was told has ended.
func (r *run) logReturn() {
	if r.lost != "" {
		r.lost = ""
		r.source.options.Logger.Info("the database is read again from where it stood", "position", r.place.lsn)
	}
}

// errRefused is wrapped by what the inlet says: what was in the batch is lost to this run.
var errRefused = errors.New("hand over changes")

// drop forgets a transaction that the session broke off in; the server sends it again from its beginning.
func (r *run) drop() {
	if r.batch.Len() > 0 || len(r.batch.Txns()) > 0 {
		r.batch = r.out.Batch()
	}
	r.txn = openTxn{}
	if err := r.spills.reset(); err != nil {
		r.source.options.Logger.Warn("remove a spilled transaction", "err", err)
	}
	r.leave(context.Background())
}

// session connects, makes sure that slot and state fit, and streams until something breaks.
func (r *run) session(ctx context.Context) error {
	c, err := r.source.options.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	r.sql = c
	if r.facts, err = r.source.preflight(ctx, c); err != nil {
		return err
	}
	if err := r.adopt(r.facts.tables); err != nil {
		return err
	}
	if r.target == 0 {
		if r.target, err = r.now(ctx); err != nil {
			return err
		}
	}
	conn, w, err := r.source.options.connectReplication(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Conn().Close() }()
	system, err := identify(ctx, conn)
	if err != nil {
		return err
	}
	if err := r.claim(ctx); err != nil {
		return err
	}
	if err := r.source.ensurePublication(ctx, c, r.facts); err != nil {
		return err
	}
	if err := r.prepare(ctx, system); err != nil {
		return err
	}
	return r.stream(ctx, conn, w)
}

// now is the place where the log stands.
func (r *run) now(ctx context.Context) (LSN, error) {
	query := "SELECT pg_catalog.pg_current_wal_lsn()::text"
	if r.facts.standby {
		query = "SELECT pg_catalog.pg_last_wal_replay_lsn()::text"
	}
	var text string
	if err := r.sql.QueryRow(ctx, query).Scan(&text); err != nil {
		return 0, fmt.Errorf("ask where the log stands: %w", err)
	}
	return ParseLSN(text)
}

// adopt takes the tables as the flow was planned with them, and makes sure that they are still so.
func (r *run) adopt(found []*table) error {
	planned := r.source.planned()
	if planned == nil {
		planned = found
	}
	r.tables, r.carried, r.byOID, r.bindings = planned, nil, map[uint32]int{}, map[uint32]*binding{}
	for i, t := range planned {
		carried := make([]int, len(t.columns))
		for c := range carried {
			carried[c] = c
		}
		if r.start.Columns != nil && i < len(r.start.Columns) && r.start.Columns[i] != nil {
			carried = r.start.Columns[i]
		}
		r.carried = append(r.carried, carried)
		r.byOID[t.oid] = i
		if err := t.same(found[i], carried); err != nil {
			return err
		}
		t.where = found[i].where
	}
	return nil
}

// changed is the fault of a table that is not what the flow was planned with.
func changed(format string, args ...any) error {
	return &cdc.SourceError{Code: "schema_changed", Err: fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), cdc.ErrChanged),
		Hint: "start the flow again: it is checked against the tables as they are now; nothing is lost"}
}

// same makes sure that the columns that are carried, and the key, are still what they were.
func (t *table) same(now *table, carried []int) error {
	if t.oid != now.oid {
		return changed("table %s was made anew", t.plain())
	}
	keys := func(x *table) []string { return x.names(x.key) }
	if !slices.Equal(keys(t), keys(now)) {
		return changed("the key of table %s is no longer (%s)", t.plain(), strings.Join(t.names(t.key), ", "))
	}
	for _, at := range append(slices.Clone(carried), t.key...) {
		c := t.columns[at]
		i := slices.IndexFunc(now.columns, func(x column) bool { return x.name == c.name })
		if i < 0 {
			return changed("column %s of table %s is gone", c.name, t.plain())
		}
		if now.columns[i].number != c.number {
			return changed("column %s of table %s is another one than before", c.name, t.plain())
		}
		if n := now.columns[i]; n.declared != c.declared || n.modifier != c.modifier {
			return changed("column %s of table %s is now %s, and was %s", c.name, t.plain(), n.native, c.native)
		}
	}
	return nil
}

// prepare decides where the stream begins and what is read at which moment. Whatever it makes on the server
// is made by the order publication, slot: the server decodes by the catalog as it stood then.
func (r *run) prepare(ctx context.Context, system systemFacts) error {
	o := &r.source.options
	x, err := readSlot(ctx, r.sql, o.Slot)
	if err != nil {
		return err
	}
	fresh := r.place.system == 0
	if !fresh {
		if err := o.guard(&r.place, x, system, r.facts); err != nil {
			if r.reread {
				return err
			}
			r.source.options.Logger.Warn("the tables are read again", "cause", err)
			fresh = true
		}
	}
	if fresh = fresh || r.leap; fresh {
		if x, err = r.usable(ctx, x); err != nil {
			return err
		}
	}
	if r.leap && x != nil {
		if err := r.leapTo(ctx, x); err != nil {
			return err
		}
	}
	r.leap = false
	if err := r.choose(fresh); err != nil {
		return err
	}
	if fresh {
		at := LSN(0)
		if x != nil {
			at = x.confirmed
		} else if at, err = r.createSlot(ctx); err != nil {
			return err
		}
		r.place = place{lsn: at, tables: r.place.tables}
		r.putAt = at
		r.source.rebase(at)
	}
	r.place.system, r.place.timeline = systemSum(system.identifier), system.timeline
	if err := r.lookAtFamilies(ctx); err != nil {
		return err
	}
	r.unseen, r.doubts = nil, nil
	if len(r.fills) > 0 {
		// After the publication was made: what changed before in a transaction that is under way is never sent.
		seen, err := r.look(ctx)
		if err != nil {
			return err
		}
		r.doubts = seen.under
	}
	return nil
}

// choose says which tables are to be read: all of them at first and for a rescan, else those that the flow
// has gained.
func (r *run) choose(fresh bool) error {
	r.fills, r.kin, r.strangers, r.parted, r.pages = nil, nil, nil, false, r.source.pace.first
	r.recess, r.waited, r.halted = time.Time{}, 0, false
	if fresh || !r.reread && !r.rescanning {
		r.place.tables = nil
	}
	r.rescanning = !r.reread
	held := len(r.place.tables)
	r.place.keep(func(oid uint32) bool { _, ok := r.byOID[oid]; return ok })
	left := held - len(r.place.tables)
	first := fresh && r.reread
	held = 0
	for _, t := range r.tables {
		r.parted = r.parted || t.kind == 'p'
		h, ok := r.place.held(t.oid)
		if ok {
			if outgrown := t.outgrown(h.layout); outgrown != "" {
				return r.again("%s", outgrown)
			}
			h.layout = t.layout()
			r.place.set(h)
		}
		switch {
		case ok && h.where == whereSum(t.where) && h.part:
			r.fills = append(r.fills, &fill{table: t, opened: true})
		case ok && h.where == whereSum(t.where):
			held++
		case ok:
			return r.again("the condition of table %s has changed", t.plain())
		case left > 0:
			return r.again("table %s was made anew, or is another one than before", t.plain())
		case first && r.source.options.Snapshot == SnapshotNever:
			r.place.tables = append(r.place.tables, heldTable{oid: t.oid, where: whereSum(t.where), layout: t.layout()})
		default:
			r.fills = append(r.fills, &fill{table: t})
		}
	}
	r.load = r.source.options.Snapshot == SnapshotInitial && r.reread && held == 0
	slices.SortFunc(r.place.tables, func(a, b heldTable) int { return compareHeld(a, b.oid) })
	return nil
}

// flush hands over what the batch holds.
func (r *run) flush(ctx context.Context) error {
	if r.batch.Len() == 0 && len(r.batch.Txns()) == 0 {
		return nil
	}
	if err := r.put(ctx, r.batch); err != nil {
		return err
	}
	r.batch = r.out.Batch()
	return nil
}

func (r *run) put(ctx context.Context, b *cdc.Batch) error {
	if err := r.out.Put(ctx, b); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return nil
}
