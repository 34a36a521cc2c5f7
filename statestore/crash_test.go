package statestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/statestore"
)

// crashModel knows what a state may hold after a crash: for every key the value of the newest
// durable commit, or that of any later commit that was not synced.
type crashModel struct {
	rng     *rand.Rand
	commits []map[string]uint64 // per commit, in order: key to value
	epochs  []uint64            // per commit: its epoch, zero for a commit that is none
	durable int                 // commits that were acknowledged as durable
	memo    []statestore.Fingerprint

	disk    heldLog
	flying  *statestore.EpochSync // not waited for yet
	landing int                   // commits that are durable once it has been
}

// value returns the value of key after the first n commits, zero for none.
func (m *crashModel) value(key string, n int) uint64 {
	for i := n - 1; i >= 0; i-- {
		if v, ok := m.commits[i][key]; ok {
			return v
		}
	}
	return 0
}

// land waits for the epoch that is on its way.
func (m *crashModel) land() {
	m.disk.release()
	if m.flying == nil {
		return
	}
	m.flying.Wait()
	m.flying = nil
	m.durable = max(m.durable, m.landing)
}

func (m *crashModel) step(db *statestore.DB) error {
	m.land()
	commit := map[string]uint64{}
	b := db.State.NewBatch()
	for range 1 + m.rng.IntN(6) {
		owner := fmt.Sprint("owner ", m.rng.IntN(40))
		v := uint64(len(m.commits)+1)<<8 | uint64(m.rng.IntN(256))
		value := append(binary.BigEndian.AppendUint64(nil, v), make([]byte, m.rng.IntN(1500))...)
		b.Put(ownerKey(owner), value)
		commit[owner] = v
	}
	epoch := uint64(0)
	m.commits, m.epochs = append(m.commits, commit), append(m.epochs, 0)
	switch m.rng.IntN(10) {
	case 0, 1:
		return db.State.Commit(b, false)
	case 2:
		if err := db.State.Commit(b, true); err != nil {
			return err
		}
	default:
		epoch = db.DurableEpoch() + 1
		m.epochs[len(m.epochs)-1] = epoch
		if m.rng.IntN(2) == 0 {
			m.disk.hold(20 * time.Millisecond)
			sync, err := db.ApplyEpoch(b, epoch)
			m.flying, m.landing = sync, len(m.commits)
			return err
		}
		if err := db.CommitEpoch(b, epoch); err != nil {
			return err
		}
	}
	m.durable = len(m.commits)
	if m.rng.IntN(8) == 0 {
		return db.State.Flush()
	}
	if m.rng.IntN(4) == 0 {
		fp := statestore.Fingerprint{byte(len(m.memo)), byte(len(m.memo) >> 8), 1}
		if err := db.Memo.Put([]statestore.Entry{{Fingerprint: fp, Value: fp[:]}}); err != nil {
			return err
		}
		m.memo = append(m.memo, fp)
	}
	return nil
}

// check finds how many commits the state holds: all durable ones, and of the later ones the first
// few, whole. It returns that number.
func (m *crashModel) check(db *statestore.DB) (int, error) {
	got := map[string]uint64{}
	from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
	err := db.State.Scan(from, to, func(key, value []byte) error {
		k, err := statestore.ParseKey(key)
		got[string(k.Owner)] = binary.BigEndian.Uint64(value)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, fp := range m.memo {
		if value, ok, err := db.Memo.Get(fp); err != nil || !ok || string(value) != string(fp[:]) {
			return 0, fmt.Errorf("memo entry %s that was put: %x %v %v", fp, value, ok, err)
		}
	}
	for n := len(m.commits); n >= m.durable; n-- {
		same, epoch := true, uint64(0)
		for i := range 40 {
			owner := fmt.Sprint("owner ", i)
			same = same && got[owner] == m.value(owner, n)
		}
		for _, e := range m.epochs[:n] {
			epoch = max(epoch, e)
		}
		if same && db.DurableEpoch() == epoch {
			return n, nil
		}
	}
	return 0, fmt.Errorf("durable epoch %d and %v fit no prefix of %d commits from the %d durable ones on",
		db.DurableEpoch(), got, len(m.commits), m.durable)
}

// TestACrashLosesNothingAcknowledged proves I1 and I2 under power loss: after each crash the state is
// a prefix of the commits that holds at least every synced one, the durable epoch is that of the
// prefix and so never above what survived, and every memo entry that was put is there.
func TestACrashLosesNothingAcknowledged(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	if os.Getenv("FRESHET_SOAK") == "1" {
		rounds = 2000
	}
	for _, percent := range []int{0, 10, 50, 90, 100} {
		t.Run(fmt.Sprintf("%d percent of unsynced data kept", percent), func(t *testing.T) {
			seed := uint64(percent + 1)
			if s := os.Getenv("FRESHET_SEED"); s != "" {
				fmt.Sscan(s, &seed)
			}
			m := &crashModel{rng: rand.New(rand.NewPCG(seed, 7))}
			fs := vfs.NewCrashableMem()
			flew := 0
			for round := range rounds {
				db := openDB(t, m.disk.over(fs), "state")
				if n, err := m.check(db); err != nil {
					t.Fatalf("seed %d, crash %d: %v", seed, round, err)
				} else {
					m.commits, m.epochs, m.durable = m.commits[:n], m.epochs[:n], n
				}
				if m.rng.IntN(4) == 0 { // a clean restart in between
					closeDB(t, db)
					db = openDB(t, m.disk.over(fs), "state")
				}
				for range m.rng.IntN(40) {
					if err := m.step(db); err != nil {
						t.Fatalf("seed %d, crash %d: %v", seed, round, err)
					}
				}
				durable, known := db.DurableEpoch(), m.durable
				crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: m.rng})
				if m.flying != nil {
					flew++
				}
				m.land()
				closeDB(t, db)
				m.durable = min(m.durable, known)
				fs = crashed
				db = openDB(t, fs, "state")
				if got := db.DurableEpoch(); got < durable {
					t.Fatalf("seed %d, crash %d: durable epoch %d became %d", seed, round, durable, got)
				}
				closeDB(t, db)
			}
			if flew == 0 {
				t.Error("no crash came while an epoch was on its way")
			}
		})
	}
}

// TestAnEpochIsAnnouncedOnceItIsOnDisk: reads see an epoch that was applied; its number moves with the disk, no other
// epoch comes before that, and the state does not close under it (I1, I2).
func TestAnEpochIsAnnouncedOnceItIsOnDisk(t *testing.T) {
	var disk heldLog
	fs := vfs.NewCrashableMem()
	db := openDB(t, disk.over(fs), "state")
	b := db.State.NewBatch()
	b.Put(ownerKey("a"), []byte("1"))
	disk.hold(time.Minute)
	sync, err := db.ApplyEpoch(b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := db.State.Get(ownerKey("a")); err != nil || !ok || db.DurableEpoch() != 0 {
		t.Errorf("on its way: read %t %v, durable epoch %d", ok, err, db.DurableEpoch())
	}
	if _, err := db.ApplyEpoch(db.State.NewBatch(), 2); err == nil {
		t.Error("an epoch was applied over one that is on its way")
	}
	before := fs.CrashClone(vfs.CrashCloneCfg{})
	disk.release()
	if sync.Wait(); db.DurableEpoch() != 1 {
		t.Errorf("on disk: durable epoch %d", db.DurableEpoch())
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	closeDB(t, db)
	for want, fs := range []*vfs.MemFS{before, after} {
		db := openDB(t, fs, "state")
		if _, ok, err := db.State.Get(ownerKey("a")); err != nil || ok != (want == 1) || db.DurableEpoch() != uint64(want) {
			t.Errorf("after the crash: read %t %v, durable epoch %d, want %d", ok, err, db.DurableEpoch(), want)
		}
		closeDB(t, db)
	}
}

// TestACrashWhileAStateIsMadeLeavesItUsable crashes at many moments of the first open: the next one
// makes the state, or finds it made.
func TestACrashWhileAStateIsMadeLeavesItUsable(t *testing.T) {
	for _, percent := range []int{0, 30, 70, 100} {
		for after := range 60 {
			rng := rand.New(rand.NewPCG(uint64(after), uint64(percent)))
			mem := vfs.NewCrashableMem()
			var clone *vfs.MemFS
			fs := countingFS(mem, after*3, func() {
				clone = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			})
			closeDB(t, openDB(t, fs, "state"))
			if clone == nil {
				break // the open makes fewer file operations than that
			}
			db, err := statestore.Open("state", statestore.DBOptions{FS: clone, MemoryBytes: 8 << 20, Fatal: unexpectedFatal(t)})
			if err != nil {
				t.Fatalf("%d percent, crash after %d operations: %v", percent, after*3, err)
			}
			b := db.State.NewBatch()
			b.Put(ownerKey("a"), []byte("1"))
			if err := errors.Join(db.CommitEpoch(b, 1), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWhatIsShownIsOnDiskWhenTheCommitReturns: what reads see is on its way, and a crash takes it whole; when the commit
// returns nothing does (I2).
func TestWhatIsShownIsOnDiskWhenTheCommitReturns(t *testing.T) {
	fs := vfs.NewCrashableMem()
	holds := func(fs vfs.FS) bool {
		t.Helper()
		s, err := statestore.OpenStore("state", statestore.Options{FS: fs, OpaqueKeys: true, Fatal: unexpectedFatal(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		_, ok, err := s.Get([]byte("a"))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	var disk heldLog
	s, err := statestore.OpenStore("state", statestore.Options{FS: disk.over(fs), OpaqueKeys: true, Fatal: unexpectedFatal(t)})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Put([]byte("a"), []byte("1"))
	var between *vfs.MemFS
	disk.hold(time.Minute)
	err = s.CommitShown(b, func() {
		defer disk.release()
		if _, ok, err := s.Get([]byte("a")); err != nil || !ok {
			t.Errorf("what is shown is not read: %v", err)
		}
		between = fs.CrashClone(vfs.CrashCloneCfg{})
	})
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if holds(between) || !holds(after) {
		t.Error("want it gone by a crash before the commit returns, and there by one after it")
	}
}

// TestManyResultsAreOnDiskTogether: results that are written in several batches are all on disk when Put returns, whatever
// else a crash takes (I2, I7).
func TestManyResultsAreOnDiskTogether(t *testing.T) {
	fs := vfs.NewCrashableMem()
	open := func(fs vfs.FS) *statestore.DB {
		t.Helper()
		db, err := statestore.Open("state", statestore.DBOptions{FS: fs, MemoryBytes: 32 << 20, Fatal: unexpectedFatal(t)})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open(fs)
	var entries []statestore.Entry
	for i := range 20 {
		entries = append(entries, statestore.Entry{Fingerprint: statestore.Fingerprint{byte(i)}, Value: bytes.Repeat([]byte{byte(i)}, 1<<20)})
	}
	if err := db.Memo.Put(entries); err != nil {
		t.Fatal(err)
	}
	after := open(fs.CrashClone(vfs.CrashCloneCfg{}))
	for _, e := range entries {
		if value, ok, err := after.Memo.Get(e.Fingerprint); err != nil || !ok || !bytes.Equal(value, e.Value) {
			t.Errorf("result %s: there %v, %v", e.Fingerprint, ok, err)
		}
	}
	if err := errors.Join(db.Close(), after.Close()); err != nil {
		t.Fatal(err)
	}
}
