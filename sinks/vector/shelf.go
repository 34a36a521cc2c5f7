package vector

// shelf keeps the payloads that were replaced or deleted while a view that may read them was open. The truth has one
// payload per key, the newest. It is guarded by Index.mu.
type shelf struct {
	payloads map[shelfKey][]byte
	order    []shelved // by ascending epoch
	bytes    int64
}

type shelfKey struct {
	key     string
	version uint64
}

type shelved struct {
	shelfKey
	epoch uint64 // the first epoch that does not see the payload
}

// add keeps a payload that epoch replaces.
func (s *shelf) add(k shelfKey, payload []byte, epoch uint64) {
	if s.payloads == nil {
		s.payloads = map[shelfKey][]byte{}
	}
	s.payloads[k] = payload
	s.order = append(s.order, shelved{k, epoch})
	s.bytes += int64(len(payload) + len(k.key) + 64)
}

// forget drops what no view at oldest or later sees.
func (s *shelf) forget(oldest uint64) {
	n := 0
	for ; n < len(s.order) && s.order[n].epoch <= oldest; n++ {
		k := s.order[n].shelfKey
		s.bytes -= int64(len(s.payloads[k]) + len(k.key) + 64)
		delete(s.payloads, k)
	}
	if n > 0 {
		s.order = append(s.order[:0], s.order[n:]...)
	}
}
