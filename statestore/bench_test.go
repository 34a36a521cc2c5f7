package statestore_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet/freshet/statestore"
)

const (
	benchRows  = 200_000
	benchValue = 200
	benchMemos = 20_000
	benchMemo  = 1536 // a vector of 768 half floats
)

func benchDB(b *testing.B) *statestore.DB {
	b.Helper()
	db, err := statestore.Open(b.TempDir(), statestore.DBOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

// benchKey spreads rows over the key space, as the hash of a key does.
func benchKey(dst []byte, i int) []byte {
	var owner [8]byte
	binary.BigEndian.PutUint64(owner[:], uint64(i)*0x9e3779b97f4a7c15)
	return statestore.AppendKey(dst, statestore.Key{Space: statestore.SpaceOwners, Instance: 1, Owner: owner[:]})
}

func benchRowsDB(b *testing.B) *statestore.DB {
	b.Helper()
	db := benchDB(b)
	value := make([]byte, benchValue)
	r := rand.NewChaCha8([32]byte{})
	batch := db.State.NewBatch()
	for i := range benchRows {
		_, _ = r.Read(value)
		batch.Put(benchKey(nil, i), value)
		if batch.Len() > 1<<20 || i == benchRows-1 {
			if err := db.State.Commit(batch, false); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := db.State.Flush(); err != nil {
		b.Fatal(err)
	}
	return db
}

func BenchmarkCommitEpochOfEightRows(b *testing.B) {
	db := benchDB(b)
	batch := db.State.NewBatch()
	value := make([]byte, benchValue)
	var key []byte
	b.ReportAllocs()
	epoch, n := uint64(0), 0
	for b.Loop() {
		batch.Reset()
		for range 8 {
			n++
			key = benchKey(key[:0], n)
			batch.Put(key, value)
		}
		epoch++
		if err := db.CommitEpoch(batch, epoch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutInLargeBatches(b *testing.B) {
	db := benchDB(b)
	batch := db.State.NewBatch()
	value := make([]byte, benchValue)
	var key []byte
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		key = benchKey(key[:0], n)
		batch.Put(key, value)
		if batch.Len() > 1<<20 {
			if err := db.State.Commit(batch, true); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
}

func BenchmarkGet(b *testing.B) {
	db := benchRowsDB(b)
	for name, base := range map[string]int{"hit": 0, "miss": 1 << 40} {
		b.Run(name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			var key, value []byte
			b.ReportAllocs()
			for b.Loop() {
				key = benchKey(key[:0], base+r.IntN(benchRows))
				got, ok, err := db.State.AppendGet(value[:0], key)
				if err != nil || ok != (base == 0) {
					b.Fatal(ok, err)
				}
				value = got
			}
		})
	}
}

func BenchmarkGetSorted(b *testing.B) {
	db := benchRowsDB(b)
	for _, size := range []int{100, 10_000, 50_000, 100_000, 200_000, 400_000} {
		b.Run(fmt.Sprintf("of %d", size), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			keys := make([][]byte, size)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				b.StopTimer()
				for i := range keys {
					keys[i] = benchKey(keys[i][:0], r.IntN(benchRows))
				}
				slices.SortFunc(keys, bytes.Compare)
				b.StartTimer()
				err := db.State.GetSorted(keys, func(int, []byte, bool) error { rows++; return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
		})
	}
}

func BenchmarkScan(b *testing.B) {
	db := benchRowsDB(b)
	from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
	rows := 0
	for b.Loop() {
		if err := db.State.Scan(from, to, func(_, _ []byte) error { rows++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}

func benchMemoDB(b *testing.B) *statestore.DB {
	b.Helper()
	db := benchDB(b)
	r := rand.NewChaCha8([32]byte{1})
	entries := make([]statestore.Entry, 0, 500)
	for i := range benchMemos {
		value := make([]byte, benchMemo)
		_, _ = r.Read(value)
		if entries = append(entries, statestore.Entry{Fingerprint: fpOf(i), Value: value}); len(entries) == cap(entries) {
			if err := db.Memo.Put(entries); err != nil {
				b.Fatal(err)
			}
			entries = entries[:0]
		}
	}
	return db
}

func BenchmarkMemoPutOfSixteen(b *testing.B) {
	db := benchDB(b)
	r := rand.NewChaCha8([32]byte{2})
	entries := make([]statestore.Entry, 16)
	for i := range entries {
		entries[i].Value = make([]byte, benchMemo)
		_, _ = r.Read(entries[i].Value)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range entries {
			_, _ = r.Read(entries[i].Fingerprint[:])
		}
		if err := db.Memo.Put(entries); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoGet(b *testing.B) {
	db := benchMemoDB(b)
	fps := make([]statestore.Fingerprint, benchMemos)
	for i := range fps {
		fps[i] = fpOf(i)
	}
	b.Run("hit", func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		var value []byte
		b.ReportAllocs()
		for b.Loop() {
			got, ok, err := db.Memo.AppendGet(value[:0], fps[r.IntN(len(fps))])
			if err != nil || !ok {
				b.Fatal(ok, err)
			}
			value = got
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		var fp statestore.Fingerprint
		r := rand.NewChaCha8([32]byte{3})
		for b.Loop() {
			_, _ = r.Read(fp[:])
			if ok, err := db.Memo.Has(fp); err != nil || ok {
				b.Fatal(ok, err)
			}
		}
	})
}
