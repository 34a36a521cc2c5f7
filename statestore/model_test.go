package statestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/statestore"
)

// storeModel runs a store beside a map.
type storeModel struct {
	fs    *vfs.MemFS
	store *statestore.Store
	rows  map[string]string
}

var (
	anyPart = rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a', 'b', 255}), 0, 3)
	anyKey  = rapid.Custom(func(t *rapid.T) string {
		return string(statestore.AppendKey(nil, statestore.Key{
			VNode:    rapid.SampledFrom([]uint16{0, 300}).Draw(t, "vnode"),
			Space:    statestore.SpaceOwners,
			Instance: rapid.SampledFrom([]uint32{1, 200}).Draw(t, "instance"),
			Owner:    anyPart.Draw(t, "owner"),
			Child:    anyPart.Draw(t, "child"),
		}))
	})
)

func (m *storeModel) open(t *rapid.T) {
	var err error
	m.store, err = statestore.OpenStore("store", statestore.Options{FS: m.fs, MemoryBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *storeModel) close(t *rapid.T) {
	if err := m.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit applies a random batch to both.
func (m *storeModel) commit(t *rapid.T) {
	b := m.store.NewBatch()
	next := maps.Clone(m.rows)
	for range rapid.IntRange(0, 8).Draw(t, "writes") {
		key := anyKey.Draw(t, "key")
		switch rapid.IntRange(0, 9).Draw(t, "write") {
		case 0, 1:
			b.Delete([]byte(key))
			delete(next, key)
		case 2:
			from, to := []byte(key), []byte(anyKey.Draw(t, "to"))
			if bytes.Compare(from, to) > 0 {
				from, to = to, from
			}
			b.DeleteRange(from, to)
			maps.DeleteFunc(next, func(k, _ string) bool { return k >= string(from) && k < string(to) })
		case 3:
			value := rapid.StringN(0, 3, 3000).Draw(t, "value")
			k, v := b.PutDeferred(len(key), len(value))
			copy(k, key)
			copy(v, value)
			next[key] = value
		default:
			value := rapid.String().Draw(t, "value")
			b.Put([]byte(key), []byte(value))
			next[key] = value
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "reset") == 0 {
		b.Reset()
		if b.Count() != 0 {
			t.Fatalf("%d writes after a reset", b.Count())
		}
		next = m.rows
	}
	if err := m.store.Commit(b, rapid.Bool().Draw(t, "sync")); err != nil {
		t.Fatal(err)
	}
	m.rows = next
}

func (m *storeModel) reopen(t *rapid.T) {
	m.close(t)
	m.open(t)
}

func (m *storeModel) flush(t *rapid.T) {
	if err := m.store.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (m *storeModel) get(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	want, has := m.rows[key]
	got, ok, err := m.store.AppendGet([]byte("before "), []byte(key))
	if err != nil || ok != has || string(got) != "before "+want {
		t.Fatalf("get %x: %q %v %v, want %q %v", key, got, ok, err, want, has)
	}
	value, ok, err := m.store.Get([]byte(key))
	if err != nil || ok != has || string(value) != want || ok != (value != nil) {
		t.Fatalf("get %x: %q %v %v, want %q %v", key, value, ok, err, want, has)
	}
	if ok, err := m.store.Has([]byte(key)); err != nil || ok != has {
		t.Fatalf("has %x: %v %v, want %v", key, ok, err, has)
	}
}

func (m *storeModel) getSorted(t *rapid.T) {
	keys := rapid.SliceOfN(anyKey, 0, 20).Draw(t, "keys")
	slices.Sort(keys) // and keep the same key twice, if drawn
	var raw [][]byte
	for _, k := range keys {
		raw = append(raw, []byte(k))
	}
	seen := 0
	err := m.store.GetSorted(raw, func(i int, value []byte, ok bool) error {
		want, has := m.rows[keys[i]]
		if i != seen || ok != has || string(value) != want {
			return fmt.Errorf("sorted get %d of %x: %q %v, want %q %v", i, keys[i], value, ok, want, has)
		}
		seen++
		return nil
	})
	if err != nil || seen != len(keys) {
		t.Fatalf("%d of %d keys, %v", seen, len(keys), err)
	}
}

func (m *storeModel) scan(t *rapid.T) {
	from, to := anyKey.Draw(t, "from"), anyKey.Draw(t, "to")
	var want []string
	for _, k := range slices.Sorted(maps.Keys(m.rows)) {
		if k >= from && k < to {
			want = append(want, k+"="+m.rows[k])
		}
	}
	limit := rapid.IntRange(0, len(want)+1).Draw(t, "limit")
	var got []string
	err := m.store.Scan([]byte(from), []byte(to), func(key, value []byte) error {
		if len(got) == limit {
			return statestore.ErrStop
		}
		got = append(got, string(key)+"="+string(value))
		return nil
	})
	if err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
		t.Fatalf("scan of [%x, %x): %q %v, want %q", from, to, got, err, want)
	}
}

func TestAStoreIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &storeModel{fs: vfs.NewMem(), rows: map[string]string{}}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"commit":  m.commit,
			"commit2": m.commit,
			"reopen":  m.reopen,
			"flush":   m.flush,
			"get":     m.get,
			"sorted":  m.getSorted,
			"scan":    m.scan,
		})
		m.close(t)
	})
}

func TestKeysOfASortedGetMustAscend(t *testing.T) {
	store, err := statestore.OpenStore("store", statestore.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	err = store.GetSorted([][]byte{ownerKey("b"), ownerKey("a")}, func(int, []byte, bool) error { return nil })
	if err == nil {
		t.Error("descending keys are not refused")
	}
	own := errors.New("mine")
	if err := store.GetSorted([][]byte{ownerKey("a")}, func(int, []byte, bool) error { return own }); !errors.Is(err, own) {
		t.Errorf("error of the function: %v", err)
	}
	if err := store.GetSorted([][]byte{ownerKey("a")}, func(int, []byte, bool) error { return statestore.ErrStop }); err != nil {
		t.Errorf("stopped: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"close":  store.Close(),
		"commit": store.Commit(store.NewBatch(), true),
		"flush":  store.Flush(),
		"scan":   store.Scan(nil, nil, nil),
		"sorted": store.GetSorted([][]byte{{1}}, nil),
	} {
		if !errors.Is(err, statestore.ErrClosed) {
			t.Errorf("%s after close: %v, want ErrClosed", name, err)
		}
	}
	if _, _, err := store.Get(ownerKey("a")); !errors.Is(err, statestore.ErrClosed) {
		t.Errorf("get after close: %v, want ErrClosed", err)
	}
}

// TestCloseWaitsForAScanThatReads: a read inside the function of a scan meets a closing store and
// neither deadlocks nor reads from a closed one.
func TestCloseWaitsForAScanThatReads(t *testing.T) {
	store, err := statestore.OpenStore("store", statestore.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBatch()
	b.Put(ownerKey("a"), nil)
	b.Put(ownerKey("b"), nil)
	if err := store.Commit(b, true); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1) // the one result of Close
	var wg sync.WaitGroup
	defer wg.Wait()
	err = store.Scan(nil, nil, func(key, _ []byte) error {
		if bytes.Equal(key, ownerKey("a")) {
			_, _, err := store.Get(key)
			wg.Go(func() { closed <- store.Close() })
			return err
		}
		for { // the scan stays inside until Close has begun
			if _, _, err := store.Get(key); errors.Is(err, statestore.ErrClosed) {
				return nil
			}
		}
	})
	if err != nil {
		t.Errorf("scan: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}
