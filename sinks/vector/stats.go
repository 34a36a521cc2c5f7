package vector

import "github.com/freshet/freshet/stream"

// Stats is what an index says about itself at one moment.
type Stats struct {
	Rows        int
	Dims        int
	Metric      stream.Metric
	Kernel      string // implementation of the inner loops
	Lists       int    // of the newest partition; 1 is flat
	Probes      int    // lists that a search reads
	Sketched    int    // rows that a search of a large flat index ranks by more than their signs
	Draining    int    // rows that wait to be moved into the newest partition
	Views       int    // open
	DeadRows    int    // replaced or deleted, kept for open views
	Tombstones  uint64 // deletions remembered against late replays
	Sequence    uint64 // transactions applied since the index was made
	Unsaved     uint64 // rows changed since the codes snapshot
	Searches    uint64 // since open
	RowBytes    int64  // memory of rows, bounded by Options.MemoryBytes
	TermBytes   int64  // of which term bitmaps
	ShelfBytes  int64  // memory of replaced payloads, kept for open views
	StoreBytes  int64  // memory of the store's cache and memtables
	DiskBytes   int64  // the truth; a codes snapshot comes on top
	LastAudit   Report // zero before the first
	Fence       uint64 // generations below are refused
	Generation  uint64 // of the last transaction
	Epoch       uint64 // of the last transaction
	OldestViews uint64 // publications since the oldest open view
}

// Stats returns the figures of this moment. It waits for a write that is under way.
func (x *Index) Stats() Stats {
	st := Stats{Dims: x.opts.Dims, Metric: x.opts.Metric, Kernel: x.enc.set.String(), Searches: x.searches.Load()}
	if r := x.audited.Load(); r != nil {
		st.LastAudit = *r
	}
	store := x.store.Stats()
	st.StoreBytes, st.DiskBytes = store.MemoryBytes, store.DiskBytes
	x.writer.Lock()
	defer x.writer.Unlock()
	p := x.progress
	st.Rows, st.DeadRows = x.space.rows, len(x.space.graves)
	st.Tombstones, st.Sequence, st.Unsaved = p.tombstones, p.sequence, x.changed
	st.Fence, st.Generation, st.Epoch = p.fence, p.generation, p.epoch
	st.TermBytes = x.space.terms.bytes()
	st.RowBytes = x.space.bytes() + st.TermBytes
	parts := x.space.layout.parts
	st.Lists = len(parts[len(parts)-1].lists)
	if st.Lists > 1 {
		st.Probes = min(st.Lists, x.tune.probes(x.space.layout))
	}
	if st.Lists == 1 && st.Rows >= sketchFrom(x.enc.set) {
		st.Sketched = x.tune.sketched(st.Rows)
	}
	for _, p := range parts[:len(parts)-1] {
		for _, l := range p.lists {
			st.Draining += l.rows
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, o := range x.views {
		st.Views += o.n
	}
	st.OldestViews = x.current.epoch - x.oldestLocked()
	st.ShelfBytes = x.shelf.bytes
	return st
}
