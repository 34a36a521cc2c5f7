package statestore

import (
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory of a store, in bytes.
const (
	defaultMemory = 64 << 20
	leastMemory   = 4 << 20
	// mostMemTable bounds a memtable and so the log that is read after a crash, twice, once by us.
	mostMemTable = 64 << 20
)

// pebbleOptions turns ours into Pebble's. Half of the memory goes to four memtables, up to their
// limit, the rest to the block cache. Options that Pebble would default to something tiny or old are all set here.
func pebbleOptions(o Options, fs vfs.FS, log pebbleLog, w *watch, lock *pebble.Lock) *pebble.Options {
	memory := o.MemoryBytes
	if memory == 0 {
		memory = defaultMemory
	}
	memory = max(memory, leastMemory)
	compactions := 1
	if runtime.GOMAXPROCS(0) >= 4 {
		compactions = 2
	}
	p := &pebble.Options{
		FS:                          fs,
		Lock:                        lock,
		Logger:                      log,
		EventListener:               w.listener(),
		ReadOnly:                    o.ReadOnly,
		ErrorIfNotExists:            o.Existing || o.ReadOnly,
		FormatMajorVersion:          pebble.FormatNewest,
		Comparer:                    tupleComparer(),
		Merger:                      pebble.DefaultMerger, // no key is ever merged; the name is on disk
		CacheSize:                   max(memory/2, memory-4*mostMemTable),
		MemTableSize:                uint64(min(memory/8, mostMemTable)),
		MemTableStopWritesThreshold: 4,
		// Two sublevels are compacted as soon as they exist, for reads; writes are held back only
		// when compaction is an order of magnitude behind.
		L0CompactionThreshold:      2,
		L0StopWritesThreshold:      24,
		LBaseMaxBytes:              max(memory, 16<<20),
		CompactionConcurrencyRange: func() (int, int) { return 1, compactions },
		BytesPerSync:               512 << 10,
		WALBytesPerSync:            512 << 10,
		MaxOpenFiles:               512,
		MaxManifestFileSize:        16 << 20,
	}
	if o.OpaqueKeys {
		p.Comparer = pebble.DefaultComparer
	}
	p.TargetFileSizes[0] = 4 << 20
	for i := range p.Levels {
		level := &p.Levels[i]
		level.BlockSize = 16 << 10
		level.IndexBlockSize = 64 << 10
		if o.Values {
			level.BlockSize = 32 << 10
			level.IndexBlockSize = 256 << 10
		}
		level.FilterPolicy = bloom.FilterPolicy(10)
		level.FilterType = sstable.TableFilter
	}
	return p
}
