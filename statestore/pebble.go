package statestore

import (
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory of a store, in bytes.
const (
	defaultMemory = 64 << 20
	leastMemory   = 4 << 20
	// mostMemTable bounds a memtable and so the log that is read after a crash, twice, once by us.
	mostMemTable = 64 << 20
)

// pebbleOptions turns ours into Pebble's. A quarter of the memory, half of it where values are large, goes to four memtables, up to their
// limit, the rest to the block cache: a batch larger than half a memtable, as an epoch under load is,
// passes the memtables by, while every owner that it touches is read through the cache. Options that Pebble would default to something tiny or old are all set here.
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
		CacheSize:                   max(memory/4*3, memory-4*mostMemTable),
		MemTableSize:                uint64(min(memory/16, mostMemTable)),
		MemTableStopWritesThreshold: 4,
		// Every large epoch is a sublevel, and compacting some rewrites much of the level below: six wait for each other
		// (Pebble begins at half this number), which the bloom filters keep cheap to read. Writes are held back only when
		// compaction is far behind.
		L0CompactionThreshold: 12,
		L0StopWritesThreshold: 24,
		// A state up to this size is one level below the first, which a read looks into once and not twice. A compaction writes that
		// level again, which costs about what the moves between two levels did.
		LBaseMaxBytes:              256 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, compactions },
		BytesPerSync:               512 << 10,
		WALBytesPerSync:            512 << 10,
		MaxOpenFiles:               512,
		MaxManifestFileSize:        16 << 20,
	}
	if o.Values {
		// A table of keys whose values lie elsewhere is small, and the level below it is not: its rows wait for more company.
		p.MemTableSize = uint64(min(memory/8, mostMemTable))
		p.CacheSize = max(memory/2, memory-4*mostMemTable)
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
		// Rows change often and vectors do not shrink: what compression would save on disk it costs in processor time each
		// time that a table is written again.
		level.Compression = func() *block.CompressionProfile { return block.NoCompression }
	}
	p.Experimental.ValueSeparationPolicy = o.separation
	return p
}

// Values from these sizes on are kept in files of their own, to which the tables refer.
const (
	// separatedAlways is that of a store of values that never change: they are written once and not again whenever
	// a table near their key is.
	separatedAlways = 512
	// separatedElse spares others what is large and short-lived, such as an outbox that the sinks have taken.
	separatedElse = 8 << 10
)

// separation says how values are kept apart from their keys. A table may refer to many files, because no range of keys is
// read by its values; a file of which a third is no longer referred to is written anew.
func (o Options) separation() pebble.ValueSeparationPolicy {
	p := pebble.ValueSeparationPolicy{Enabled: true, MinimumSize: separatedElse, MaxBlobReferenceDepth: 256, RewriteMinimumAge: 5 * time.Minute, TargetGarbageRatio: 0.33}
	if o.Values {
		p.MinimumSize = separatedAlways
	}
	return p
}
