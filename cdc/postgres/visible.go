package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

// sight says which transactions a snapshot of the database shows.
type sight struct {
	least, most uint64   // what is below least has ended, what is from most on has not
	under       []uint64 // between them, and under way
}

// readSight reads what pg_current_snapshot writes: xmin:xmax:xip,….
func readSight(text string) (sight, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return sight{}, fmt.Errorf("read snapshot %.40q: it has another shape", text)
	}
	least, err1 := strconv.ParseUint(parts[0], 10, 64)
	most, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return sight{}, fmt.Errorf("read snapshot %.40q: it has another shape", text)
	}
	s := sight{least: least, most: most}
	for part := range strings.SplitSeq(parts[2], ",") {
		if part == "" {
			continue
		}
		xid, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return sight{}, fmt.Errorf("read snapshot %.40q: it has another shape", text)
		}
		s.under = append(s.under, xid)
	}
	return s, nil
}

// whole completes a transaction number of which only the lower half is told, as in the stream and in tables.
func (s sight) whole(xid uint32) uint64 {
	whole := s.most&^(1<<32-1) | uint64(xid)
	if whole > s.most+1<<31 && whole >= 1<<32 {
		whole -= 1 << 32 // of the round before
	}
	return whole
}

// shows reports whether the snapshot shows what a transaction that has committed did.
func (s sight) shows(xid uint64) bool {
	return xid < s.least || xid < s.most && !slices.Contains(s.under, xid)
}

// look asks which transactions can be seen now.
func (r *run) look(ctx context.Context) (sight, error) {
	var text string
	if err := r.sql.QueryRow(ctx, "SELECT pg_catalog.pg_current_snapshot()::text").Scan(&text); err != nil {
		return sight{}, fmt.Errorf("ask which transactions can be seen: %w", err)
	}
	return readSight(text)
}

// awaitVisible waits until the present transaction can be seen. Its commit record is sent as soon as it is on
// disk, which is before other sessions see what it did; with a synchronous standby long before.
func (r *run) awaitVisible(ctx context.Context) error {
	for pause := time.Millisecond; !r.txn.visible; pause = min(2*pause, 100*time.Millisecond) {
		s, err := r.look(ctx)
		if err != nil {
			return err
		}
		if r.txn.visible = s.shows(s.whole(r.txn.xid)); r.txn.visible {
			return nil
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}
