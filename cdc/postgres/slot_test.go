package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/postgres"
	"github.com/freshet/freshet/internal/testenv"
)

// A slot of that name that belongs to another database of the server, or to somebody else, is left alone: it is told whose it is
// and what to do, before anything is made; and a flow that has read on is told how it goes on (I10).
func TestASlotOfAnotherDatabaseIsLeftAlone(t *testing.T) {
	s := testenv.Postgres(t, testenv.PostgresOptions{})
	db, other := s.Database(t), s.Database(t)
	db.Exec(t, rowsOf(3))
	o := options(db, "docs")
	for _, x := range []struct{ make, word string }{
		{"SELECT pg_create_logical_replication_slot('SLOT', 'pgoutput')", "belongs to database " + other.Name + ", and the source reads database " + db.Name},
		{"SELECT pg_create_physical_replication_slot('SLOT')", "is a physical one"},
	} {
		other.Exec(t, strings.ReplaceAll(x.make, "SLOT", o.Slot))
		drop := "SELECT pg_drop_replication_slot('" + o.Slot + "')"
		_, asked := source(t, o).Resumes(t.Context(), "")
		for _, err := range []error{asked, once(t, source(t, o), cdctest.NewInlet(), nil)} {
			fault := faultOf(t, err)
			if fault.Code != "slot_taken" || !strings.Contains(err.Error(), x.word) || !strings.Contains(err.Error(), o.Slot) ||
				!strings.Contains(fault.Hint, "`slot:`") || !strings.Contains(fault.Hint, drop) {
				t.Errorf("%s: %v; %s", fault.Code, err, fault.Hint)
			}
		}
		if got := db.Text(t, "SELECT count(*) FROM pg_publication"); got != "0" {
			t.Errorf("%s publications are left behind", got)
		}
		db.Exec(t, drop) // as the hint says
	}
	in := firstRead(t, o)
	released(t, db, o.Slot)
	if err := source(t, o).Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.Exec(t, "SELECT pg_create_logical_replication_slot('"+o.Slot+"', 'pgoutput')")
	err := once(t, source(t, o), in.Crash(), nil)
	if fault := faultOf(t, err); fault.Code != "data_guard" || !errors.Is(err, cdc.ErrGap) || !strings.Contains(err.Error(), "belongs to database "+other.Name) ||
		!strings.HasPrefix(fault.Hint, "give the source another name in `slot:`") || !strings.Contains(fault.Hint, "`freshet reset <flow> --source NAME --yes`") {
		t.Errorf("%s: %v; %s", fault.Code, err, fault.Hint)
	}
	o.OnSlotLost = postgres.SlotLostResnapshot
	if err := once(t, source(t, o), in.Crash(), func(s *cdc.Start) { s.Rescan = true }); faultOf(t, err).Code != "slot_taken" {
		t.Errorf("read again: %v", err)
	}
	if err := source(t, o).Drop(t.Context()); err != nil {
		t.Error(err)
	}
	if got := other.Text(t, "SELECT database FROM pg_replication_slots WHERE slot_name = '"+o.Slot+"'"); got != other.Name {
		t.Errorf("the slot is of %q", got)
	}
}
