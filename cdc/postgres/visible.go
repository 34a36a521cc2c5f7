package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// awaitVisible waits until the present transaction can be seen. Its commit record is sent as soon as it is on
// disk, which is before other sessions see what it did; with a synchronous standby long before.
func (r *run) awaitVisible(ctx context.Context) error {
	for pause := time.Millisecond; !r.txn.visible; pause = min(2*pause, 100*time.Millisecond) {
		var text string
		if err := r.sql.QueryRow(ctx, "SELECT pg_catalog.pg_current_snapshot()::text").Scan(&text); err != nil {
			return fmt.Errorf("ask which transactions can be seen: %w", err)
		}
		visible, err := seen(text, r.txn.xid)
		if err != nil {
			return err
		}
		if r.txn.visible = visible; visible {
			return nil
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// seen reports whether a snapshot, written xmin:xmax:xip,…, shows a transaction that has committed. The stream
// tells just the lower half of transaction numbers.
func seen(snapshot string, xid uint32) (bool, error) {
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return false, fmt.Errorf("read snapshot %.40q: it has another shape", snapshot)
	}
	least, err1 := strconv.ParseUint(parts[0], 10, 64)
	most, err2 := strconv.ParseUint(parts[1], 10, 64)
	if err1 != nil || err2 != nil {
		return false, fmt.Errorf("read snapshot %.40q: it has another shape", snapshot)
	}
	whole := most&^(1<<32-1) | uint64(xid)
	if whole > most+1<<31 && whole >= 1<<32 {
		whole -= 1 << 32 // of the round before
	}
	if whole < least {
		return true, nil
	}
	if whole >= most {
		return false, nil
	}
	for under := range strings.SplitSeq(parts[2], ",") {
		if under == strconv.FormatUint(whole, 10) {
			return false, nil
		}
	}
	return true, nil
}
