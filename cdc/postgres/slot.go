package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// slot is what the catalog says of a replication slot.
type slot struct {
	plugin    string
	database  string
	activePID int32 // 0: nobody uses it
	temporary bool
	confirmed LSN
	walStatus string
	safeBytes *int64 // until it may be lost; nil: without bound
	kept      int64  // bytes of log that it holds back
	behind    int64  // bytes of log that are not confirmed
}

const slotQuery = `SELECT coalesce(plugin, ''), coalesce(database, ''), coalesce(active_pid, 0), temporary, coalesce(confirmed_flush_lsn, '0/0')::text,
	coalesce(wal_status, ''), safe_wal_size, coalesce(log.ends - restart_lsn, 0)::int8, coalesce(log.ends - confirmed_flush_lsn, 0)::int8
FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS ends) log, pg_catalog.pg_replication_slots WHERE slot_name = $1`

// readSlot looks a slot up; nil where there is none.
func readSlot(ctx context.Context, c *pgx.Conn, name string) (*slot, error) {
	x := &slot{}
	var confirmed string
	err := c.QueryRow(ctx, slotQuery, name).Scan(&x.plugin, &x.database, &x.activePID, &x.temporary, &confirmed, &x.walStatus, &x.safeBytes, &x.kept, &x.behind)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		x.confirmed, err = ParseLSN(confirmed)
	}
	if err != nil {
		return nil, fmt.Errorf("look up slot %s: %w", name, err)
	}
	return x, nil
}

func (x *slot) lost() bool { return x.walStatus == "lost" }

// dropSlot drops a slot that nobody uses. One that the server still holds for a client that is gone is
// waited for.
func dropSlot(ctx context.Context, c *pgx.Conn, name string) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := c.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", name)
		switch {
		case err == nil, sqlState(err) == stateUndefined:
			return nil
		case sqlState(err) != stateInUse || pause > time.Second/2:
			return fmt.Errorf("drop slot %s: %w", name, err)
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}

// leapTo moves the slot on to the end of the log: what lies between is among the rows that are read again.
func (r *run) leapTo(ctx context.Context, x *slot) error {
	end, err := r.now(ctx)
	if err != nil {
		return err
	}
	var reached string
	if err := r.sql.QueryRow(ctx, "SELECT end_lsn::text FROM pg_catalog.pg_replication_slot_advance($1, $2::text::pg_catalog.pg_lsn)", r.source.options.Slot, end.String()).Scan(&reached); err != nil {
		return fmt.Errorf("move slot %s on: %w", r.source.options.Slot, err) // the server may hold it for the session that has just ended
	}
	x.confirmed, err = ParseLSN(reached)
	return err
}

// usable makes room for a slot where the one that is there cannot serve.
func (r *run) usable(ctx context.Context, x *slot) (*slot, error) {
	o := &r.source.options
	if x == nil {
		return nil, nil
	}
	if err := o.taken(x, r.facts); err != nil {
		return nil, err
	}
	if x.lost() {
		return nil, dropSlot(ctx, r.sql, o.Slot)
	}
	if x.confirmed == 0 {
		// A process that was killed while the server made it: the server goes on with that, sees that nobody is there, and drops it.
		return nil, fmt.Errorf("take slot %s: a session of the server, pid %d, is still making it", o.Slot, x.activePID)
	}
	return x, nil
}

// claim makes sure, before anything is made, that nobody else has a slot of that name.
func (r *run) claim(ctx context.Context) error {
	x, err := readSlot(ctx, r.sql, r.source.options.Slot)
	if err != nil || x == nil || r.place.system != 0 {
		return err
	}
	return r.source.options.taken(x, r.facts)
}

// taken is the fault of a slot that is there, and not as one of this source is.
func (o *Options) taken(x *slot, f *facts) error {
	if what, hint := o.foreign(x, f); what != "" {
		return wrong("slot_taken", hint, "slot %s %s", o.Slot, what)
	}
	return nil
}

// foreign says whose a slot is that is none of this source, and what to do; empty: it may be.
func (o *Options) foreign(x *slot, f *facts) (what, hint string) {
	switch {
	case x.plugin == "":
		what = "is a physical one"
	case x.database != f.database:
		what = fmt.Sprintf("belongs to database %s, and the source reads database %s: the slots of a server share their names", x.database, f.database)
	case x.plugin != "pgoutput":
		what = fmt.Sprintf("decodes by plugin %s, and the source reads by pgoutput", x.plugin)
	default:
		return "", ""
	}
	return what, fmt.Sprintf("give the source another name in `slot:`, or, if nobody needs that slot, drop it: SELECT pg_drop_replication_slot(%s)", literal(o.Slot))
}

// slotStatement makes a slot, which goes along with a failover where the server can. Its own snapshot is not
// wanted: it is gone with the session that made it, and then there is none like it.
func (f *facts) slotStatement(name string) string {
	options := "NOEXPORT_SNAPSHOT"
	switch {
	case f.version >= 170000 && !f.standby:
		options = "(SNAPSHOT 'nothing', FAILOVER true)"
	case f.version >= 150000:
		options = "(SNAPSHOT 'nothing')"
	}
	return fmt.Sprintf("CREATE_REPLICATION_SLOT %s LOGICAL pgoutput %s", quoted(name), options)
}

// createSlot makes the slot, and tells where it begins. The server waits for every transaction that is
// under way; what it waits for is told as a problem.
func (r *run) createSlot(ctx context.Context) (LSN, error) {
	conn, _, err := r.source.options.connectReplication(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer stop()
		_ = conn.Close(closing)
	}()
	name := r.source.options.Slot
	waiting, answered := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { r.watchCreation(waiting, name) })
	results, err := conn.Exec(ctx, r.facts.slotStatement(name)).ReadAll()
	answered()
	watcher.Wait()
	if err == nil && (len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 2) {
		err = errors.New("the server's answer has another shape")
	}
	if err != nil {
		return 0, r.slotFault(name, err)
	}
	return ParseLSN(string(results[0].Rows[0][1]))
}

func (r *run) slotFault(name string, err error) error {
	told := fmt.Errorf("make slot %s: %w", name, err)
	switch sqlState(err) {
	case stateNoPrivilege:
		return &cdc.SourceError{Code: "rights", Err: told, Hint: r.source.options.grantReplication()}
	case stateLimit:
		return &cdc.SourceError{Code: "no_slots", Err: told,
			Hint: "drop a slot that nobody uses (SELECT * FROM pg_replication_slots), or ALTER SYSTEM SET max_replication_slots = … and restart the server"}
	}
	return told
}

// underWayQuery names the sessions whose transactions are under way, and those that are prepared and belong to none,
// the oldest first.
const underWayQuery = `SELECT who || ', since ' || to_char(now() - since, 'HH24:MI:SS') || ')' FROM (
	SELECT 'pid ' || pid::text || ' (' || coalesce(usename::text, '?') AS who, xact_start AS since FROM pg_catalog.pg_stat_activity
	WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
	UNION ALL SELECT 'prepared ' || gid || ' (' || owner::text, prepared FROM pg_catalog.pg_prepared_xacts) x ORDER BY since LIMIT 5`

// watchCreation tells which transactions the making of a slot waits for.
func (r *run) watchCreation(ctx context.Context, name string) {
	if idle.For(ctx, 3*time.Second) != nil {
		return
	}
	c, err := r.source.options.connect(ctx)
	if err != nil {
		return
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		if r.facts.standby {
			r.out.Problem(fmt.Errorf("make slot %s: the standby waits for its primary to log which transactions are under way: SELECT pg_log_standby_snapshot() there", name))
			return
		}
		rows, err := c.Query(ctx, underWayQuery)
		if err != nil {
			return
		}
		pids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return
		}
		if len(pids) > 0 {
			r.out.Problem(fmt.Errorf("make slot %s: the server waits for transactions to end: %s", name, strings.Join(pids, ", ")))
		}
		if idle.For(ctx, 2*time.Second) != nil {
			return
		}
	}
}

func (r *run) gap(format string, args ...any) error { return r.source.options.gap(format, args...) }

// gap is a break in what the slot can give.
func (o *Options) gap(format string, args ...any) error {
	err := fmt.Errorf("slot %s of publication %s: %s: %w", o.Slot, o.Publication, fmt.Sprintf(format, args...), cdc.ErrGap)
	if o.OnSlotLost == SlotLostResnapshot {
		err = fmt.Errorf("%w; %w", err, cdc.ErrReread)
	}
	return &cdc.SourceError{Code: "data_guard", Err: err,
		Hint: "changes may have been missed. `freshet reset <flow> --source NAME --yes` has the tables read again at the next run, and writes just what differs; " +
			"on_slot_lost: resnapshot does so without asking"}
}

// guard makes sure that the slot continues what is held (I10). A nil slot has to be made.
func (o *Options) guard(p *place, x *slot, system systemFacts, f *facts) error {
	switch {
	case p.system != systemSum(system.identifier):
		return o.gap("the server is another one than the one that was read")
	case p.timeline != system.timeline && f.version < 170000, p.timeline > system.timeline:
		return o.gap("the server is on timeline %d, and timeline %d was read", system.timeline, p.timeline)
	case p.lsn > system.flushed:
		return o.gap("the server's log ends at %s, and what is held was read up to %s: it may be an older copy", system.flushed, p.lsn)
	case x == nil:
		return o.gap("it is gone")
	}
	if what, hint := o.foreign(x, f); what != "" {
		err := o.gap("it %s", what)
		if fault, ok := errors.AsType[*cdc.SourceError](err); ok {
			fault.Hint = hint + "; then go on: " + fault.Hint
		}
		return err
	}
	switch {
	case x.lost():
		return o.gap("the server has removed the log that it needs (max_slot_wal_keep_size)")
	case x.confirmed > p.lsn && x.activePID != 0:
		return o.gap("it is at %s, ahead of what is held, %s: another process reads it (pid %d of the server)", x.confirmed, p.lsn, x.activePID)
	case x.confirmed > p.lsn:
		return o.gap("it is at %s, ahead of what is held, %s: it was moved, or made anew", x.confirmed, p.lsn)
	}
	return nil
}

// systemFacts identify a server.
type systemFacts struct {
	identifier string
	timeline   uint32
	flushed    LSN
}

// identify asks a replication connection which server it is.
func identify(ctx context.Context, c *pgconn.PgConn) (systemFacts, error) {
	found, err := pglogrepl.IdentifySystem(ctx, c)
	if err != nil {
		return systemFacts{}, fmt.Errorf("identify the server: %w", err)
	}
	return systemFacts{identifier: found.SystemID, timeline: uint32(found.Timeline), flushed: found.XLogPos}, nil
}
