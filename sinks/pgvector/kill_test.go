package pgvector_test

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/testenv"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// story is the rows of an epoch; the same for everybody who asks. Some epochs are loads.
func story(epoch uint64) []row {
	rng := rand.New(rand.NewPCG(epoch, 11))
	ids := rng.Perm(1500)[:1+rng.IntN(30)]
	if epoch%17 == 0 {
		ids = rng.Perm(1500)[:700]
	}
	rows := make([]row, 0, len(ids))
	for _, id := range ids {
		r := row{id: int64(id), body: fmt.Sprintf("epoch %d", epoch)}
		if rng.IntN(4) == 0 {
			r.body = absent{}
		}
		rows = append(rows, r)
	}
	return rows
}

// I3: a process is killed at any moment while it writes; the next one goes on from the progress that the target tells,
// and in the end the table is what the story makes.
func TestProcessesThatAreKilledLoseAndDoubleNothing(t *testing.T) {
	d := newDocs(t, 15, 0, pgvector.Options{})
	rng := rand.New(rand.NewPCG(3, 3))
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOfAKilledProcess$")
		child.Env = append(os.Environ(), "FRESHET_PGVECTOR_CHILD="+d.bed.options.DSN)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// It says a word for every range that the target has acknowledged. It is killed behind some of them, at
		// whatever it does by then.
		lines := bufio.NewScanner(out)
		for range 2 + rng.IntN(20) {
			if !lines.Scan() {
				t.Fatal("the process has ended by itself")
			}
			if word, ok := strings.CutPrefix(lines.Text(), "applied "); ok {
				if d.epoch, err = strconv.ParseUint(word, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
	}
	acknowledged := d.epoch
	p := d.open()
	if p.Wiped || p.Epoch < acknowledged {
		t.Fatalf("epoch %d was acknowledged, and the progress is %+v", acknowledged, p)
	}
	for d.epoch = p.Epoch; d.epoch < p.Epoch+20; {
		d.apply(story(d.epoch + 1)...)
	}
	want := map[int64]string{}
	for epoch := uint64(1); epoch <= d.epoch; epoch++ {
		for _, r := range story(epoch) {
			if body, ok := r.body.(string); ok {
				want[r.id] = body
			} else {
				delete(want, r.id)
			}
		}
	}
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(want)) {
		lines = append(lines, fmt.Sprintf("%d|%s", id, want[id]))
	}
	d.has(fmt.Sprintf("after %d kills and %d epochs", rounds, d.epoch), lines...)
	if got := d.writer.(stream.Counter).Rows(); got != int64(len(want)) {
		t.Errorf("%d rows are counted of %d", got, len(want))
	}
}

// TestOfAKilledProcess is what [TestProcessesThatAreKilledLoseAndDoubleNothing] runs and kills.
func TestOfAKilledProcess(t *testing.T) {
	dsn := os.Getenv("FRESHET_PGVECTOR_CHILD")
	if dsn == "" {
		t.Skip("run by TestProcessesThatAreKilledLoseAndDoubleNothing, in a process of its own")
	}
	d := &docs{t: t, bed: &bed{t: t, database: &testenv.PostgresDatabase{}, make: pgvector.NewTable, options: pgvector.Options{DSN: dsn}},
		target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
	for d.epoch = d.open().Epoch; !t.Failed(); {
		d.apply(story(d.epoch + 1)...)
		fmt.Println("applied", d.epoch)
	}
}

// I3: the line is cut at random places, in either direction, while ranges of all sizes come. Each is applied again
// until it is acknowledged, as the engine does, and in the end the table is what the story makes.
func TestALineThatIsCutAtRandomLosesAndDoublesNothing(t *testing.T) {
	d := newDocs(t, 15, 0, pgvector.Options{})
	p := throughProxy(t, d)
	d.open()
	rng := rand.New(rand.NewPCG(8, 8))
	places := []string{"BEGIN", "FOR UPDATE", "upsert_0", "remove_0", "epoch ", "CREATE TEMP TABLE", "COPY ", "ANALYZE", "xmax = 0", "UPDATE \"public\"", "; COMMIT"}
	cuts, want := 0, map[int64]string{}
	for d.epoch < 60 {
		d.epoch++
		rows := story(d.epoch)
		if d.epoch%5 == 0 {
			rows = append(rows, story(d.epoch*17)...) // 700 more, perhaps the same keys
		}
		place := places[rng.IntN(len(places))]
		if set := p.CutAfter; rng.IntN(2) == 0 {
			set(place)
		} else {
			p.CutBefore(place)
		}
		for {
			err := d.writer.Apply(t.Context(), d.txn(d.epoch, rows...))
			if err == nil {
				break
			}
			if cuts++; cuts > 1000 {
				t.Fatalf("epoch %d is never acknowledged: %v", d.epoch, err)
			}
		}
		for _, r := range rows {
			if body, ok := r.body.(string); ok {
				want[r.id] = body
			} else {
				delete(want, r.id)
			}
		}
	}
	if cuts < 20 {
		t.Errorf("%d cuts are too few to tell anything", cuts)
	}
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(want)) {
		lines = append(lines, fmt.Sprintf("%d|%s", id, want[id]))
	}
	d.has(fmt.Sprintf("after %d cuts", cuts), lines...)
	if got := d.writer.(stream.Counter).Rows(); got != int64(len(want)) {
		t.Errorf("%d rows are counted of %d", got, len(want))
	}
}

// Ranges of every size come whole, whichever way they are written.
func TestRangesOfEverySize(t *testing.T) {
	d := newDocs(t, 15, 0, pgvector.Options{})
	for i := range 200 {
		d.columns = append(d.columns, cdc.Column{Name: fmt.Sprint("c", i), Type: kind(cdc.Int64)})
	}
	d.open()
	for _, size := range []int{1, 2, 499, 500, 501, 3000} {
		d.apply(many(size, fmt.Sprint("range of ", size))...)
		want := fmt.Sprintf("%d|%d", size, size)
		if got := d.bed.database.Text(t, fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE body LIKE 'range of %d %%') FROM docs", size)); got != want {
			t.Errorf("a range of %d rows leaves %s", size, got)
		}
	}
	large := strings.Repeat("large ", 1<<20)
	d.apply(row{id: 1, body: large}, row{id: 2, body: large})
	if got := d.bed.database.Text(t, "SELECT count(*) FROM docs WHERE length(body) = 6 << 20"); got != "2" {
		t.Errorf("%s large rows are there", got)
	}
}
