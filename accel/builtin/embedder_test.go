package builtin_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/builtin"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func model(t testing.TB, dims int) *builtin.Embedder {
	t.Helper()
	e, err := builtin.New(dims)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func embed(t testing.TB, e *builtin.Embedder, texts ...string) [][]float32 {
	t.Helper()
	reply, err := e.Embed(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Vectors
}

func cosine(a, b []float32) float64 {
	var dot float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return dot
}

// corpus has texts of many kinds, so that the golden file sees every path.
func corpus() []string {
	return []string{
		"The quick brown fox jumps over the lazy dog.",
		"the the the the the the the the the the dog",
		"Crème brûlée, ΣΊΣΥΦΟΣ, Ёлка, İstanbul, straße",
		"東京都は日本の首都です。 カタカナ",
		"안녕하세요 세계", "สวัสดีชาวโลก", "नमस्ते दुनिया",
		"snake_case x1 42 3.14", "a", "", "!!! ???", "\xff\xfe broken",
		"🙂🙃", strings.Repeat("long text with many different words ", 200) + strings.Join(numbers(3000), " "),
	}
}

func numbers(n int) []string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprint("word", i*7919)
	}
	return words
}

// A change here is a change of the algorithm: raise builtin.Revision with it.
func TestVectorsAreTheSameBitForBitEverywhere(t *testing.T) {
	var got strings.Builder
	fmt.Fprintf(&got, "revision %s\n", builtin.Revision)
	for _, dims := range []int{16, 100, 256} {
		for i, v := range embed(t, model(t, dims), corpus()...) {
			sum := fnv.New128a()
			for _, x := range v {
				sum.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
			}
			fmt.Fprintf(&got, "dims %d text %d: %s\n", dims, i, hex.EncodeToString(sum.Sum(nil)))
		}
	}
	for i, v := range embed(t, model(t, 16), corpus()...)[:3] {
		fmt.Fprintf(&got, "text %d: %v\n", i, v)
	}
	file := filepath.Join("testdata", "vectors.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("vectors changed (-want +got):\n%s", diff)
	}
}

func TestTextsThatDifferOnlyInFormAreOne(t *testing.T) {
	e := model(t, 0)
	tests := map[string][2]string{
		"case":                       {"Grüße und ÄRGER", "grüße und ärger"},
		"composed and decomposed":    {"caf\u00e9 \u00c5ngstr\u00f6m", "cafe\u0301 A\u030angstro\u0308m"},
		"accents":                    {"crème brûlée", "creme brulee"},
		"capitals of another script": {"МОСКВА", "москва"},
		"white space":                {"one two\n\tthree", "one two three"},
		"Hangul by its parts":        {"한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165"},
	}
	for name, pair := range tests {
		t.Run(name, func(t *testing.T) {
			v := embed(t, e, pair[0], pair[1])
			if diff := cmp.Diff(v[0], v[1]); diff != "" {
				t.Errorf("%q and %q differ", pair[0], pair[1])
			}
		})
	}
}

func TestEveryVectorIsFiniteAndOfLengthOne(t *testing.T) {
	for _, dims := range []int{16, 100, 256} {
		for i, v := range embed(t, model(t, dims), corpus()...) {
			if got := cosine(v, v); len(v) != dims || math.Abs(got-1) > 1e-5 {
				t.Errorf("dims %d, text %d: length² %v of %d numbers", dims, i, got, len(v))
			}
		}
	}
}

func FuzzEmbed(f *testing.F) {
	for _, text := range corpus() {
		f.Add(text)
	}
	e := model(f, 64)
	f.Fuzz(func(t *testing.T, text string) {
		v := embed(t, e, text, text)
		if got := cosine(v[0], v[0]); math.Abs(got-1) > 1e-4 {
			t.Errorf("length² %v", got)
		}
		if diff := cmp.Diff(v[0], v[1]); diff != "" {
			t.Error("the same text has two vectors")
		}
	})
}

func TestConcurrentCallsDoNotMeet(t *testing.T) {
	e := model(t, 0)
	want := embed(t, e, corpus()...)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if diff := cmp.Diff(want, embed(t, e, corpus()...)); diff != "" {
					t.Error("another vector under concurrency")
				}
			}
		})
	}
	group.Wait()
}

func TestItIsAnEmbedder(t *testing.T) {
	e := model(t, 32)
	want := accel.Identity{Provider: "builtin", Model: "static-minilm", Revision: builtin.Revision, Dims: 32}
	if got := e.Identity(); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if reply, err := e.Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) || reply.Vectors != nil {
		t.Errorf("after its context it returned %v and %v", reply, err)
	}
	for _, dims := range []int{-1, 15, 257} {
		if _, err := builtin.New(dims); err == nil {
			t.Errorf("dims %d were accepted", dims)
		}
	}
}

func TestEmbedAllocatesPerReplyNotPerText(t *testing.T) {
	e := model(t, 0)
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = short[i%len(short)]
	}
	embed(t, e, texts...)
	perReply := testing.AllocsPerRun(50, func() { embed(t, e, texts...) })
	if perReply > 4 {
		t.Errorf("%v allocations for 64 texts", perReply)
	}
}

func ExampleEmbedder_Embed() {
	e, _ := builtin.New(0)
	reply, _ := e.Embed(context.Background(), []string{"How do I get my money back?", "Refunds are paid within a week.", "The cat sleeps."})
	v := reply.Vectors
	fmt.Println(len(v[0]), cosine(v[0], v[1]) > cosine(v[0], v[2]))
	// Output: 256 true
}

// short texts are such as are asked in a search.
var short = []string{
	"how does the database recover after a crash", "late payments of an invoice", "Real-time strategy game of ancient warfare",
	"rotate the credentials of a service account", "library for reading and writing archives",
}

func BenchmarkEmbed(b *testing.B) {
	e := model(b, 0)
	texts := map[string][]string{
		"short": short, "chunk": {strings.Repeat(strings.Join(short, ". ")+"\n", 4)},
		"accents": {"Le café est fermé à cause de la grève générale"}, "other script": {"東京には大きな駅がある。"},
	}
	for name, of := range texts {
		b.Run(name, func(b *testing.B) {
			texts := make([]string, 64)
			for i := range texts {
				texts[i] = of[i%len(of)]
			}
			b.ReportAllocs()
			for b.Loop() {
				embed(b, e, texts...)
			}
			b.ReportMetric(float64(b.N)*64/b.Elapsed().Seconds(), "texts/s")
		})
	}
}
