package vector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
)

// model is what an index should hold: a map, and the versions of what was deleted.
type model struct {
	rows  map[string]modelRow
	tombs map[string]uint64
}

type modelRow struct {
	version uint64
	vec     []float32
	payload string
	lang    string
}

func (m *model) upsert(key string, r modelRow) {
	if old, ok := m.rows[key]; ok && r.version <= old.version {
		return
	}
	if v, ok := m.tombs[key]; ok && r.version <= v {
		return
	}
	delete(m.tombs, key)
	m.rows[key] = r
}

func (m *model) delete(key string, version uint64) {
	if old, ok := m.rows[key]; ok && version <= old.version {
		return
	}
	if v, ok := m.tombs[key]; ok && version <= v {
		return
	}
	delete(m.rows, key)
	m.tombs[key] = version
}

func (m *model) dump() map[string]string {
	rows := map[string]string{}
	for k, r := range m.rows {
		rows[k] = fmt.Sprintf("%d %s", r.version, r.payload)
	}
	return rows
}

const modelDims = 16

func modelVec(seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 99))
	v := make([]float32, modelDims)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

var langs = []string{"en", "de", "fr"}

func lang(name string) []byte { return []byte("lang\x00" + name) }

// TestModel compares an index with a map through random transactions, replays, late writes, reopening with and
// without a clean close, maintenance and held views.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewCrashableMem()
		o := vector.Options{Dims: modelDims, IVFRows: rapid.SampledFrom([]int{20, -1}).Draw(rt, "ivf")}
		x := reopen(rt, fs, o)
		// Rapid may give up a case anywhere: what is open then must not outlive it.
		defer func() { _ = x.Close() }()
		m := &model{rows: map[string]modelRow{}, tombs: map[string]uint64{}}
		var held []heldView
		epoch := uint64(0)
		var last vector.Txn
		rt.Repeat(map[string]func(*rapid.T){
			"apply": func(rt *rapid.T) {
				epoch++
				last = drawTxn(rt, m, epoch)
				must(rt, x.Apply(context.Background(), &last))
			},
			"replay":   func(rt *rapid.T) { must(rt, x.Apply(context.Background(), &last)) },
			"maintain": func(rt *rapid.T) { must(rt, x.Maintain(context.Background())) },
			"reopen": func(rt *rapid.T) {
				held = closeAll(held)
				must(rt, x.Close())
				x = reopen(rt, fs, o)
			},
			"crash": func(rt *rapid.T) {
				held = closeAll(held)
				clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rapid.IntRange(0, 100).Draw(rt, "unsynced"), RNG: rand.New(rand.NewPCG(epoch, 1))})
				must(rt, x.Close())
				fs = clone
				x = reopen(rt, fs, o)
			},
			"hold": func(rt *rapid.T) {
				if len(held) < 4 {
					held = append(held, heldView{x.View(), m.dump()})
				}
			},
			"release": func(rt *rapid.T) {
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(rt, "view")
					held[i].view.Close()
					held = slices.Delete(held, i, i+1)
				}
			},
			"search": func(rt *rapid.T) { checkSearch(rt, x, m) },
			"": func(rt *rapid.T) {
				if x.Len() != len(m.rows) {
					rt.Fatalf("%d rows, want %d", x.Len(), len(m.rows))
				}
				for _, h := range held {
					if diff := cmp.Diff(h.rows, dumpView(rt, h.view)); diff != "" {
						rt.Fatalf("held view (-want +got):\n%s", diff)
					}
				}
				v := x.View()
				defer v.Close()
				if diff := cmp.Diff(m.dump(), dumpView(rt, v)); diff != "" {
					rt.Fatalf("rows (-want +got):\n%s", diff)
				}
			},
		})
		closeAll(held)
		must(rt, x.Close())
	})
}

type heldView struct {
	view *vector.View
	rows map[string]string
}

func closeAll(held []heldView) []heldView {
	for _, h := range held {
		h.view.Close()
	}
	return nil
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func reopen(t rapid.TB, fs vfs.FS, o vector.Options) *vector.Index {
	o.FS = fs
	x, err := vector.Open("index", o)
	must(t, err)
	return x
}

func dumpView(t rapid.TB, v *vector.View) map[string]string {
	rows := map[string]string{}
	must(t, v.Scan(context.Background(), func(key []byte, version uint64, payload []byte) error {
		rows[string(key)] = fmt.Sprintf("%d %s", version, payload)
		return nil
	}))
	return rows
}

// drawTxn draws a transaction and enters it into the model, in the order that the index documents.
func drawTxn(rt *rapid.T, m *model, epoch uint64) vector.Txn {
	txn := vector.Txn{Generation: 1, Epoch: epoch, Progress: fmt.Appendf(nil, "at %d", epoch)}
	version := func() uint64 { // mostly of this epoch, now and then late
		return rapid.SampledFrom([]uint64{epoch, epoch, epoch, epoch - epoch/2}).Draw(rt, "version")
	}
	key := rapid.IntRange(0, 120)
	for range rapid.IntRange(0, 40).Draw(rt, "upserts") {
		k, v := fmt.Sprintf("k%03d", key.Draw(rt, "key")), version()
		r := modelRow{
			version: v, vec: modelVec(rapid.Uint64Range(0, 500).Draw(rt, "vec")),
			payload: fmt.Sprintf("%s at %d", k, epoch), lang: rapid.SampledFrom(langs).Draw(rt, "lang"),
		}
		if slices.ContainsFunc(txn.Upserts, func(u vector.Upsert) bool { return string(u.Key) == k }) {
			continue // the model has no order within a transaction
		}
		txn.Upserts = append(txn.Upserts, vector.Upsert{
			Key: []byte(k), Version: v, Vector: r.vec, Payload: []byte(r.payload), Terms: [][]byte{lang(r.lang), []byte("all")},
		})
		m.upsert(k, r)
	}
	for range rapid.IntRange(0, 20).Draw(rt, "deletes") {
		k, v := fmt.Sprintf("k%03d", key.Draw(rt, "key")), version()
		if slices.ContainsFunc(txn.Upserts, func(u vector.Upsert) bool { return string(u.Key) == k }) {
			continue
		}
		txn.Deletes = append(txn.Deletes, vector.Delete{Key: []byte(k), Version: v})
		m.delete(k, v)
	}
	return txn
}

// checkSearch compares filtered and unfiltered searches with the model.
func checkSearch(rt *rapid.T, x *vector.Index, m *model) {
	q := vector.Query{Vector: modelVec(rapid.Uint64().Draw(rt, "query")), K: rapid.IntRange(1, 200).Draw(rt, "k"), Exact: true}
	want := map[string]bool{}
	name := rapid.SampledFrom(langs).Draw(rt, "wanted")
	how := rapid.IntRange(0, 3).Draw(rt, "filter")
	for k, r := range m.rows {
		if how == 0 || r.lang == name && (how == 1 || strings.HasSuffix(r.payload, "1") || how == 2) {
			want[k] = true
		}
	}
	switch how {
	case 1, 2:
		q.Terms = [][]byte{lang(name), []byte("all")}
	case 3:
		q.Terms = [][]byte{lang(name)}
		q.Match = func(_, p []byte) (bool, error) { return p[len(p)-1] == '1', nil }
	}
	if how == 2 {
		for k, r := range m.rows {
			if r.lang == name {
				want[k] = true
			}
		}
	}
	hits, err := x.Search(context.Background(), q)
	must(rt, err)
	if len(hits) != min(q.K, len(want)) {
		rt.Fatalf("%d hits for k=%d of %d matching rows", len(hits), q.K, len(want))
	}
	score := func(key string) float64 { s, _ := trueScore(stream.Cosine, q.Vector, m.rows[key].vec); return s }
	seen := map[string]bool{}
	worst := 1.0
	for _, h := range hits {
		k := string(h.Key)
		if !want[k] || seen[k] || h.Version != m.rows[k].version || string(h.Payload) != m.rows[k].payload {
			rt.Fatalf("hit %q version %d payload %q: wanted %v, seen %v, model %+v", k, h.Version, h.Payload, want[k], seen[k], m.rows[k])
		}
		seen[k] = true
		worst = min(worst, score(k))
	}
	const codes = 2e-3 // what 12 bits may blur
	for k := range want {
		if s := score(k); !seen[k] && s > worst+codes {
			rt.Fatalf("row %q with score %v is missing, the worst hit has %v", k, s, worst)
		}
	}
}
