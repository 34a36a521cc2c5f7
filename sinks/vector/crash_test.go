package vector_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

// writerDir is the variable that makes the test binary write to an index until it is killed.
const writerDir = "FRESHET_VECTOR_WRITER"

const crashDims, crashDocs = 24, 50

// crashSize is how many chunks a document has at an epoch.
func crashSize(epoch uint64) int { return 3 + int(epoch*7%23) }

// writeUntilKilled replaces one document per transaction and says each epoch once Apply has returned.
func writeUntilKilled(dir string) {
	x, err := vector.Open(dir, vector.Options{Dims: crashDims, IVFRows: 100})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	_, epoch, _ := x.Progress()
	src := vectortest.New(epoch, crashDims, vectortest.Noise)
	for {
		epoch++
		txn := vector.Txn{Epoch: epoch, Progress: fmt.Appendf(nil, "%d", epoch)}
		doc := epoch % crashDocs
		for c := range 26 {
			key := fmt.Appendf(nil, "%02d/%02d", doc, c)
			if c >= crashSize(epoch) {
				txn.Deletes = append(txn.Deletes, vector.Delete{Key: key, Version: epoch})
				continue
			}
			txn.Upserts = append(txn.Upserts, vector.Upsert{Key: key, Version: epoch, Vector: src.Next(), Payload: fmt.Appendf(nil, "%d", epoch)})
		}
		if err := x.Apply(context.Background(), &txn); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(epoch)
		if epoch%200 == 0 {
			if err := x.Maintain(context.Background()); err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
		}
	}
}

// TestKilledWritersLoseNothing kills a writing process with SIGKILL, again and again on the same index, and looks at
// what it left: no transaction in part, none missing that was acknowledged, progress neither ahead nor behind. (I2, I8)
func TestKilledWritersLoseNothing(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 2
	} else if os.Getenv("FRESHET_SOAK") == "1" {
		kills = 200
	}
	dir := t.TempDir()
	acked := uint64(0)
	for kill := range kills {
		acked = killOne(t, dir, acked, 20+kill*13%60)
		x, err := vector.Open(dir, vector.Options{Dims: crashDims, IVFRows: 100})
		if err != nil {
			t.Fatalf("open after kill %d: %v", kill, err)
		}
		checkCrashed(t, x, acked)
		if kill%3 == 2 { // sometimes the next writer starts from a clean close
			if err := x.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOne runs a writer until it has acknowledged n more epochs, and returns the last that it did.
func killOne(t *testing.T, dir string, acked uint64, n int) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), writerDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		epoch, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Errorf("writer says %q", lines.Text())
			break
		}
		acked = epoch
		if i == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			// What the writer said before it died counts too.
		}
	}
	_ = cmd.Wait() // killed
	return acked
}

func checkCrashed(t *testing.T, x *vector.Index, acked uint64) {
	t.Helper()
	_, epoch, extra := x.Progress()
	if epoch < acked || string(extra) != fmt.Sprint(epoch) {
		t.Fatalf("epoch %d was acknowledged, the index has %d with progress %q", acked, epoch, extra)
	}
	rows := dump(t, x)
	want := map[string]string{}
	for doc := range uint64(crashDocs) {
		if doc > epoch {
			continue
		}
		last := epoch - (epoch-doc)%crashDocs
		if last == 0 {
			continue
		}
		for c := range crashSize(last) {
			want[fmt.Sprintf("%02d/%02d", doc, c)] = fmt.Sprintf("%d %d", last, last)
		}
	}
	for k, v := range want {
		if rows[k] != v {
			t.Fatalf("at epoch %d row %s is %q, want %q", epoch, k, rows[k], v)
		}
	}
	if len(rows) != len(want) {
		for k := range rows {
			if _, ok := want[k]; !ok {
				t.Fatalf("at epoch %d row %s is left over", epoch, strings.TrimSpace(k))
			}
		}
	}
}
