package statestore_test

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// countingFS calls fn once, before the nth write operation.
func countingFS(fs vfs.FS, n int, fn func()) vfs.FS {
	var writes atomic.Int64
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) == int64(n)+1 {
			fn()
		}
		return nil
	}))
}

// faultFS fails the operations that match while it is switched on.
type faultFS struct {
	vfs.FS
	on   atomic.Bool
	hits atomic.Int64
}

func newFaultFS(fs vfs.FS, err error, match func(errorfs.Op) bool) *faultFS {
	f := &faultFS{}
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f.on.Load() && match(op) {
			f.hits.Add(1)
			return err
		}
		return nil
	}))
	return f
}
