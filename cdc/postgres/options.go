package postgres

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
)

// Defaults of [Options].
const (
	DefaultStatusEvery  = 10 * time.Second
	DefaultLiveness     = 15 * time.Minute
	DefaultSnapshotJobs = 2
	DefaultGuardEvery   = 30 * time.Second
)

// Snapshot says what is read before the stream begins.
type Snapshot uint8

// The ways to begin.
const (
	SnapshotInitial     Snapshot = iota // every row as it stands, then the changes
	SnapshotNever                       // the changes from the first start on, nothing else
	SnapshotIncremental                 // as initial, with changes between the rows from the start
)

// SlotLost says what to do when the slot no longer continues what is held.
type SlotLost uint8

// The answers to a lost slot.
const (
	SlotLostFail       SlotLost = iota // stop and name the repair
	SlotLostResnapshot                 // read everything again and write what differs
)

// TableOptions name a table and what is read of it.
type TableOptions struct {
	Name    string   // of the collection; empty where the source has just one
	Table   string   // as SQL takes it, such as public.docs
	Columns []string // carried besides the key; none given: all
	Where   string   // condition in SQL over the table's columns; only rows that meet it are read
}

// Options say what is read. The zero value of a field is its default.
type Options struct {
	DSN         string         // postgres://… or key=value; must be given. TLS is verified in full unless it says otherwise
	Tables      []TableOptions // at least one
	Slot        string         // name of the replication slot; must be given
	Publication string         // name of the publication; must be given

	Snapshot   Snapshot
	OnSlotLost SlotLost

	StatusEvery  time.Duration // how often the server is told how far the flow is (default 10 s, less where the server wants it)
	Liveness     time.Duration // a connection that says nothing for so long is given up (default 15 min)
	SpillDir     string        // folder for large transactions that have not committed yet (default: that of the system for temporary files)
	SnapshotJobs int           // connections that read a table at once (default 2)
	GuardEvery   time.Duration // how often slot and tables are looked at, whether a person has to act (default 30 s)

	Logger *slog.Logger // nil discards
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// SlotName makes a name that Postgres takes for slots and publications of one: what is not a lower-case
// letter, a digit or an underscore becomes one, and what is too long is cut.
func SlotName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(text))
	return name[:min(len(name), 63)]
}

// check says what is wrong with the options, an [*cdc.OptionError] for each fault.
func (o *Options) check() error {
	var faults []error
	wrong := func(option, hint, format string, args ...any) {
		faults = append(faults, &cdc.OptionError{Option: option, Err: fmt.Errorf(format, args...), Hint: hint})
	}
	if o.DSN == "" {
		wrong("dsn", "write it as an environment variable: dsn: \"${PG_URL}\"", "no database is named")
	} else if _, err := o.config(false); err != nil {
		wrong("dsn", "write postgres://user@host:5432/database", "%s", dsnFault(err))
	}
	if len(o.Tables) == 0 {
		wrong("table", "name a table, such as table: public.docs", "no table is named")
	}
	for _, t := range o.Tables {
		if t.Table == "" {
			wrong("table", "name a table, such as table: public.docs", "no table is named")
		}
	}
	if !slotName.MatchString(o.Slot) {
		wrong("slot", "use lower-case letters, digits and underscores, 63 at most", "%q is no name of a slot", o.Slot)
	}
	if o.Publication == "" || len(o.Publication) > 63 {
		wrong("publication", "use a name of 63 bytes at most", "%q is no name of a publication", o.Publication)
	}
	return errors.Join(faults...)
}

// dsnFault is what is wrong with a connection string, without what it holds.
func dsnFault(err error) string {
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		if cause := parse.Unwrap(); cause != nil {
			if u, ok := errors.AsType[*url.Error](cause); ok {
				return u.Err.Error()
			}
			return cause.Error()
		}
	}
	return "it cannot be read"
}

func (o *Options) fill() {
	if o.StatusEvery <= 0 {
		o.StatusEvery = DefaultStatusEvery
	}
	if o.Liveness <= 0 {
		o.Liveness = DefaultLiveness
	}
	if o.SnapshotJobs <= 0 {
		o.SnapshotJobs = DefaultSnapshotJobs
	}
	if o.GuardEvery <= 0 {
		o.GuardEvery = DefaultGuardEvery
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
