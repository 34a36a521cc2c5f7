package streamtest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

// A source that does not say when its rows changed has no time in a lineage: none is made up.
func TestLineageLeavesATimeOutThatIsNotKnown(t *testing.T) {
	dir := t.TempDir()
	path, state := filepath.Join(dir, "ledger"), filepath.Join(dir, "state")
	if err := os.WriteFile(path, []byte("set tea boil the water\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flow := declare(path, newShelf())
	if _, err := catchUp(t.Context(), flow, state); err != nil {
		t.Fatal(err)
	}
	plan, err := flow.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db, err := statestore.Open(state, statestore.DBOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := engine.StoppedLineage(db, plan, "notes/tea")
	if err != nil {
		t.Fatal(err)
	}
	said, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	if found.Subject.At != "" || strings.Contains(string(said), "1970") || len(found.Downstream) == 0 || found.Downstream[0].At == "" {
		t.Errorf("lineage %s", said)
	}
}
