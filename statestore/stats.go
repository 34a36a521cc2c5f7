package statestore

import "time"

// Stats is what a store says about its work at one moment.
type Stats struct {
	DiskBytes        int64         // files of the database, logs included
	LogBytes         int64         // write-ahead log that a crash now would replay
	MemoryBytes      int64         // block cache and memtables in use
	Tables           int64         // sorted tables
	MemTables        int64         // memtables, the one being filled included
	L0Sublevels      int32         // tables that a read may have to look into before level 1
	CompactionDebt   int64         // bytes that compaction has yet to move
	Compactions      int64         // that are under way, flushes included
	CacheHits        int64         // of the block cache
	CacheMisses      int64         // of the block cache
	Stalls           int64         // times that writes were made to wait since open
	StalledFor       time.Duration // how long writes have waited now; zero when they do not
	BackgroundErrors int64         // flushes and compactions that failed since open
	BackgroundError  error         // the newest of them, nil once a flush has worked again
	SlowWrites       int64         // writes to disk that took longer than two seconds
}

// Stats returns the figures of this moment, all zero once the store is closed. It never waits for
// the disk, a full one included.
func (s *Store) Stats() Stats {
	if !s.gate.enter() {
		return Stats{}
	}
	defer s.gate.leave()
	m := s.db.Metrics()
	st := Stats{
		DiskBytes:      int64(m.DiskSpaceUsage()),
		LogBytes:       int64(m.WAL.Size),
		MemoryBytes:    m.BlockCache.Size + int64(m.MemTable.Size),
		MemTables:      m.MemTable.Count,
		L0Sublevels:    m.Levels[0].Sublevels,
		CompactionDebt: int64(m.Compact.EstimatedDebt),
		Compactions:    m.Compact.NumInProgress + m.Flush.NumInProgress,
		CacheHits:      m.BlockCache.Hits,
		CacheMisses:    m.BlockCache.Misses,
	}
	for i := range m.Levels {
		st.Tables += m.Levels[i].TablesCount
	}
	s.watch.stats(&st)
	return st
}

func (w *watch) stats(st *Stats) {
	st.StalledFor, st.BackgroundError = w.stalled()
	w.mu.Lock()
	defer w.mu.Unlock()
	st.Stalls, st.BackgroundErrors, st.SlowWrites = w.stalls, w.failures, w.slow
}
