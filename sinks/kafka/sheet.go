package kafka

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The sizes of a sheet, and how many headers a record has.
const (
	sheetBytes   = 64 << 10
	sheetRecords = 128
	sheetHeaders = 3
)

// sheet is the memory of some records. A client reads them until it has said its word on each; then the sheet is written
// on anew. What the brokers have refused is not: nobody else has to know when a client lets go of a fault.
type sheet struct {
	sheets  *sheets
	sent    *receipt                 // whom the words are for
	word    func(*kgo.Record, error) // takes the word on one record; bound once
	records [sheetRecords]kgo.Record
	headers [sheetRecords * sheetHeaders]kgo.RecordHeader
	bytes   []byte
	used    int          // records that are written
	open    atomic.Int32 // those that nothing has been said of yet, and 1 while more may come
	spoiled atomic.Bool  // a record was refused
}

// takes reports whether another record, of so many bytes, finds room.
func (s *sheet) takes(n int) bool { return s.used < sheetRecords && cap(s.bytes)-len(s.bytes) >= n }

// next is a blank record, and room for its headers.
func (s *sheet) next() (*kgo.Record, []kgo.RecordHeader) {
	r, at := &s.records[s.used], s.used*sheetHeaders
	s.used++
	*r = kgo.Record{}
	return r, s.headers[at : at+sheetHeaders : at+sheetHeaders]
}

// cut gives what has been written since start; nothing is written behind it into the same memory.
func (s *sheet) cut(start int) []byte { return s.bytes[start:len(s.bytes):len(s.bytes)] }

// answer takes the word on one record; a client calls it.
func (s *sheet) answer(r *kgo.Record, err error) {
	if err != nil {
		s.spoiled.Store(true)
	}
	s.sent.note(r, err)
	s.done()
}

// done takes one from what is open; the last gives the sheet back.
func (s *sheet) done() {
	if s.open.Add(-1) > 0 {
		return
	}
	sent := s.sent
	s.sent = nil
	if !s.spoiled.Load() && cap(s.bytes) <= sheetBytes {
		s.sheets.give(s)
	}
	sent.close()
}

// sheets are those that nobody writes on or reads. A client holds 10,000 records at most, on some 80 of them.
type sheets struct {
	mu    sync.Mutex
	blank []*sheet
}

// take gives a sheet for records of a transaction, the first of so many bytes.
func (l *sheets) take(n int, sent *receipt) *sheet {
	var s *sheet
	l.mu.Lock()
	if last := len(l.blank) - 1; last >= 0 && n <= sheetBytes {
		s, l.blank = l.blank[last], l.blank[:last]
	}
	l.mu.Unlock()
	if s == nil {
		s = &sheet{sheets: l, bytes: make([]byte, 0, max(sheetBytes, n))}
		s.word = s.answer
	}
	s.sent, s.used, s.bytes = sent, 0, s.bytes[:0]
	s.open.Store(1)
	sent.begin()
	return s
}

func (l *sheets) give(s *sheet) {
	l.mu.Lock()
	l.blank = append(l.blank, s)
	l.mu.Unlock()
}
