package statestore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet/freshet/statestore"
)

// TestTablesAreWrittenInLargeParts: what a table costs the file system goes by the number of its writes more than by its bytes.
func TestTablesAreWrittenInLargeParts(t *testing.T) {
	mem := vfs.NewMem()
	counted := newFaultFS(mem, nil, func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst")
	})
	store, err := statestore.OpenStore("state", statestore.Options{FS: counted})
	if err != nil {
		t.Fatal(err)
	}
	counted.on.Store(true)
	const rows, rowBytes = 20_000, 200
	b := store.NewBatch()
	for i := range rows {
		b.Put(ownerKey(fmt.Sprint("owner ", i)), make([]byte, rowBytes))
	}
	if err := store.Commit(b, true); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	const least = 64 << 10
	if hits := counted.hits.Load(); hits == 0 || hits > rows*rowBytes/least {
		t.Errorf("%d writes of %d bytes, want one for %d bytes or more", hits, rows*rowBytes, least)
	}
}
