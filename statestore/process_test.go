package statestore_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/statestore"
)

// childEnv names the part that this binary plays when a test starts it again as a process of its
// own; childDir is its state directory.
const (
	childEnv = "FRESHET_STATESTORE_CHILD"
	childDir = "FRESHET_STATESTORE_DIR"
)

func TestMain(m *testing.M) {
	if part := os.Getenv(childEnv); part != "" {
		if err := children[part](os.Getenv(childDir)); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var children = map[string]func(dir string) error{
	"hold": func(dir string) error { return commitUntilKilled(dir, statestore.DBOptions{}) },
	"sync fails": func(dir string) error {
		return commitUntilKilled(dir, statestore.DBOptions{FS: failing(errorfs.OpFileSync, syscall.EIO)})
	},
	"write fails": func(dir string) error {
		return commitUntilKilled(dir, statestore.DBOptions{FS: failing(errorfs.OpFileWrite, syscall.EIO)})
	},
	"disk full for the log": func(dir string) error {
		return commitUntilKilled(dir, statestore.DBOptions{FS: failing(errorfs.OpFileWrite, syscall.ENOSPC)})
	},
	"disk full for results":  func(dir string) error { return putResults(dir, newFullFS("/memo/", ".log")) },
	"disk full at open":      func(dir string) error { return openOn(dir, newFullFS(".sst")) },
	"disk full for versions": func(dir string) error { return openOn(dir, newFullFS("MANIFEST")) },
	"fatal returns": func(dir string) error {
		return commitUntilKilled(dir, statestore.DBOptions{
			FS: failing(errorfs.OpFileSync, syscall.EIO), Fatal: func(int, error) {},
		})
	},
}

// failing returns a file system whose logs fail from their 20th operation of the kind on.
func failing(kind errorfs.OpKind, err error) vfs.FS {
	var n atomic.Int64
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		same := op.Kind == kind || kind == errorfs.OpFileSync && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo)
		if !same || !strings.HasSuffix(op.Path, ".log") || !strings.Contains(op.Path, "/state/") {
			return nil
		}
		if n.Add(1) > 20 {
			return err
		}
		return nil
	}))
}

// newFullFS is a file system without space for files whose paths hold all of the parts.
func newFullFS(parts ...string) vfs.FS {
	full := newFaultFS(vfs.Default, syscall.ENOSPC, func(op errorfs.Op) bool {
		for _, part := range parts {
			if !strings.Contains(op.Path, part) {
				return false
			}
		}
		return op.Kind == errorfs.OpFileWrite
	})
	full.on.Store(true)
	return full
}

// commitUntilKilled commits epochs and says so on standard output, one by one.
func commitUntilKilled(dir string, o statestore.DBOptions) error {
	o.MemoryBytes = 8 << 20
	db, err := statestore.Open(dir, o)
	if err != nil {
		return err
	}
	for {
		epoch := db.DurableEpoch() + 1
		b := db.State.NewBatch()
		b.Put(ownerKey(fmt.Sprint(epoch)), []byte("row"))
		if err := db.CommitEpoch(b, epoch); err != nil {
			return err
		}
		fmt.Println("acked", epoch)
	}
}

func openOn(dir string, fs vfs.FS) error {
	_, err := statestore.Open(dir, statestore.DBOptions{MemoryBytes: 8 << 20, FS: fs})
	return err
}

// putResults commits an epoch, and puts a result that fills more than one log.
func putResults(dir string, fs vfs.FS) error {
	db, err := statestore.Open(dir, statestore.DBOptions{FS: fs, MemoryBytes: 8 << 20})
	if err != nil {
		return err
	}
	b := db.State.NewBatch()
	b.Put(ownerKey("a"), []byte("row"))
	if err := db.CommitEpoch(b, 1); err != nil {
		return err
	}
	fmt.Println("acked 1")
	return db.Memo.Put([]statestore.Entry{{Value: make([]byte, 16<<20)}})
}

func child(t *testing.T, part, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+part, childDir+"="+dir)
	return cmd
}

// lastAck returns the greatest epoch that a child said it had committed.
func lastAck(t *testing.T, output string) (epoch uint64) {
	t.Helper()
	for line := range strings.Lines(output) {
		if number, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "acked "); ok {
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			epoch = n
		}
	}
	return epoch
}

// TestAFailedSyncEndsTheProcess proves that a commit whose write or sync failed is never acknowledged
// (I1, I2): the process ends with the exit code of the disk, and what it had acknowledged is there.
func TestAFailedSyncEndsTheProcess(t *testing.T) {
	for _, part := range []string{"sync fails", "write fails", "disk full for the log", "disk full for results"} {
		t.Run(part, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			output, err := child(t, part, dir).Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != statestore.ExitDisk {
				t.Fatalf("child ended with %v, want exit code %d; it wrote %s", err, statestore.ExitDisk, output)
			}
			if stderr := string(exit.Stderr); !strings.Contains(stderr, "freshet: error: ") || !strings.Contains(stderr, "freshet: hint: ") {
				t.Errorf("standard error has no error and hint: %q", stderr)
			}
			acked := lastAck(t, string(output))
			if acked == 0 {
				t.Fatal("child acknowledged nothing: the fault came too early")
			}
			db := openDB(t, nil, dir)
			defer closeDB(t, db)
			if got := db.DurableEpoch(); got < acked {
				t.Errorf("durable epoch %d, though %d had been acknowledged", got, acked)
			}
		})
	}
}

// TestAFullDiskAtOpenEndsTheProcess: what the logs hold cannot be flushed, and nobody waits who could be told
// (I10). When there is space, everything is there.
func TestAFullDiskAtOpenEndsTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	hold := child(t, "hold", dir)
	out, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 10 {
		if !lines.Scan() {
			t.Fatal("child ended early")
		}
	}
	if err := errors.Join(hold.Process.Kill(), out.Close()); err != nil {
		t.Fatal(err)
	}
	_ = hold.Wait() // it was killed
	for _, part := range []string{"disk full for versions", "disk full at open"} {
		_, err := child(t, part, dir).Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != statestore.ExitDisk || !strings.Contains(string(exit.Stderr), "hint: free some space") {
			t.Errorf("%s: child ended with %v, want exit code %d and a hint of it", part, err, statestore.ExitDisk)
		}
	}
	db := openDB(t, nil, dir)
	defer closeDB(t, db)
	if got := db.DurableEpoch(); got < 10 {
		t.Errorf("durable epoch %d after the disk has space again, want 10 or more", got)
	}
}

// TestAFatalThatReturnsEndsTheProcessAllTheSame: an engine that gets this wrong must not be told
// that a failed sync is durable (I2).
func TestAFatalThatReturnsEndsTheProcessAllTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	output, err := child(t, "fatal returns", dir).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(exit.Stderr), "Options.Fatal returned") {
		t.Fatalf("child ended with %v, want a panic that names Options.Fatal", err)
	}
	db := openDB(t, nil, dir)
	defer closeDB(t, db)
	if got, want := db.DurableEpoch(), lastAck(t, string(output)); got < want || want == 0 {
		t.Errorf("durable epoch %d, acknowledged %d", got, want)
	}
}

// TestTheLockDiesWithItsHolder proves that a state is open once at a time, and that kill -9 leaves
// neither a lock nor a loss behind.
func TestTheLockDiesWithItsHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for round := range 3 {
		cmd := child(t, "hold", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var output strings.Builder
		for range 30 * (round + 1) {
			if !lines.Scan() {
				t.Fatalf("child ended early: %s", output.String())
			}
			fmt.Fprintln(&output, lines.Text())
		}
		_, err = statestore.Open(dir, statestore.DBOptions{})
		var inUse *statestore.InUseError
		if !errors.As(err, &inUse) || inUse.Path != dir || inUse.Hint() == "" {
			t.Fatalf("second open: %v, want an InUseError for %s", err, dir)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			fmt.Fprintln(&output, lines.Text())
		}
		_ = cmd.Wait() // killed: its exit says nothing
		db := openDB(t, nil, dir)
		if got, want := db.DurableEpoch(), lastAck(t, output.String()); got < want {
			t.Errorf("durable epoch %d after kill -9, though %d had been acknowledged", got, want)
		}
		closeDB(t, db)
	}
}

func TestASecondOpenInOneProcessIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	db := openDB(t, nil, dir)
	t.Chdir(filepath.Dir(dir))
	for _, spelling := range []string{dir, dir + "/", "state", "./x/../state"} {
		var inUse *statestore.InUseError
		if _, err := statestore.Open(spelling, statestore.DBOptions{}); !errors.As(err, &inUse) {
			t.Errorf("second open as %s: %v, want an InUseError", spelling, err)
		}
	}
	closeDB(t, db)
	closeDB(t, openDB(t, nil, dir))

	if err := os.Symlink(filepath.Dir(dir), "link"); err != nil {
		t.Fatal(err)
	}
	db = openDB(t, nil, filepath.Join("link", "new", "state"))
	defer closeDB(t, db)
	var inUse *statestore.InUseError
	if _, err := statestore.Open(filepath.Join("new", "state"), statestore.DBOptions{}); !errors.As(err, &inUse) {
		t.Errorf("second open of a state made through a symbolic link: %v, want an InUseError", err)
	}
}
