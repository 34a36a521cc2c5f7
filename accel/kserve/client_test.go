package kserve

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/kserve/kservetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The messages as the classes write them that are generated from KServe's own description (tritonclient).
const (
	goldenQuestion = "0a036267651201332a110a0454455854120542595445531a02020132080a06564543544f523a0e0100000061050000006772c3bc6e"
	goldenReply    = "0a036267651201331a017822110a0b73657175656e63655f6964120210072a110a054f544845521205494e5436341a01022a120a06564543544f521204465033321a02020332100100000000000000020000000000000032180000803f0000004000004040000080c00000003f0000c040"
	goldenMetadata = "0a036267651201321201331a106f6e6e7872756e74696d655f6f6e6e78221a0a0454455854120542595445531a0bffffffffffffffffff01012a1a0a054f544845521205494e5436341a0affffffffffffffffff012a1b0a06564543544f521204465033321a0bffffffffffffffffff0103"
)

func golden(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessagesAreThoseOfKServe(t *testing.T) {
	c, err := New(Options{Address: "unix:/x", Model: "bge", Version: "3"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMetadata(golden(t, goldenMetadata))
	if err != nil {
		t.Fatal(err)
	}
	want := metadata{versions: []string{"2", "3"}, inputs: []tensor{{"TEXT", "BYTES", []int64{-1, 1}}},
		outputs: []tensor{{"OTHER", "INT64", []int64{-1}}, {"VECTOR", "FP32", []int64{-1, 3}}}}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(metadata{}, tensor{})); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if got := hex.EncodeToString(c.question(m.inputs[0], "VECTOR", []string{"a", "grün"})); got != goldenQuestion {
		t.Errorf("question %s, want %s", got, goldenQuestion)
	}
	r, err := parseInference(golden(t, goldenReply))
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := r.vectors("VECTOR", 2)
	if diff := cmp.Diff([][]float32{{1, 2, 3}, {-4, 0.5, 6}}, vectors); diff != "" || err != nil || r.model != "bge" || r.version != "3" {
		t.Errorf("reply of %s %s (%v):\n%s", r.model, r.version, err, diff)
	}
}

// inferred writes a reply with these vectors.
func inferred(version, output string, vectors ...[]float32) []byte {
	return kservetest.Vectors("bge", version, output, vectors)
}

func TestVectorsAreTakenWholeOrNotAtAll(t *testing.T) {
	var answer func([]string) ([]byte, error)
	s := kservetest.Start(t, golden(t, goldenMetadata), func(texts []string) ([]byte, error) { return answer(texts) })
	c, err := New(Options{Address: s.URL(), Model: "bge", Dims: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nan := float32(math.NaN())
	for _, x := range []struct {
		name  string
		reply []byte
		err   error
		want  accel.Kind
		ok    bool
	}{
		{"as it should be", inferred("4", "VECTOR", []float32{1, 2}, []float32{3, 4}), nil, 0, true},
		{"too few", inferred("4", "VECTOR", []float32{1, 2}), nil, accel.Malformed, false},
		{"another length", inferred("4", "VECTOR", []float32{1}, []float32{2}), nil, accel.Malformed, false},
		{"another output", inferred("4", "OTHER", []float32{1, 2}, []float32{3, 4}), nil, accel.Malformed, false},
		{"no number", inferred("4", "VECTOR", []float32{1, nan}, []float32{3, 4}), nil, accel.Malformed, false},
		{"damaged", []byte{0xff}, nil, accel.Malformed, false},
		{"nothing", []byte{}, nil, accel.Malformed, false},
		{"a text that is too long", nil, status.Error(codes.InvalidArgument, "too long"), accel.Rejected, false},
		{"no such model", nil, status.Error(codes.NotFound, "unknown model"), accel.UnknownModel, false},
		{"too little memory", nil, status.Error(codes.Internal, "CUDA out of memory"), accel.OutOfMemory, false},
		{"out", nil, status.Error(codes.Unavailable, "shutting down"), accel.Unavailable, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			answer = func([]string) ([]byte, error) { return x.reply, x.err }
			reply, err := c.Embed(t.Context(), []string{"a", "grün"})
			if !x.ok {
				e, ok := errors.AsType[*accel.Error](err)
				if !ok || e.Kind != x.want || reply.Vectors != nil {
					t.Errorf("got %v (%v), want %v", reply.Vectors, err, x.want)
				}
				return
			}
			if diff := cmp.Diff([][]float32{{1, 2}, {3, 4}}, reply.Vectors); diff != "" || err != nil || reply.Model != "bge/4" {
				t.Errorf("got %s of %q (%v)", diff, reply.Model, err)
			}
		})
	}
	if diff := cmp.Diff([]string{"a", "grün"}, s.Asked()[0]); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}

func TestTheServerTellsHowLongItsVectorsAre(t *testing.T) {
	s := kservetest.Start(t, golden(t, goldenMetadata), nil)
	c, err := New(Options{Address: s.URL(), Model: "bge"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Learn(t.Context()); err != nil || c.Identity().Dims != 3 || len(s.Asked()) != 0 {
		t.Errorf("%d numbers after %d texts (%v), want 3 and none", c.Identity().Dims, len(s.Asked()), err)
	}
}

func TestAServerThatIsNotThereIsAnOutage(t *testing.T) {
	c, err := New(Options{Address: "unix:" + filepath.Join(t.TempDir(), "none"), Model: "bge"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Embed(context.WithoutCancel(t.Context()), []string{"a"})
	if e, ok := errors.AsType[*accel.Error](err); !ok || e.Kind != accel.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestHalfNumbers(t *testing.T) {
	for h, want := range map[uint16]float32{0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 1.0 / (1 << 24), 0x3555: 0.33325195, 0x8400: -1.0 / (1 << 14)} {
		if got := half(h); got != want {
			t.Errorf("%#x is %v, want %v", h, got, want)
		}
	}
	if !math.IsInf(float64(half(0xfc00)), -1) || !math.IsNaN(float64(half(0x7e00))) {
		t.Error("infinity and NaN are lost")
	}
}

func FuzzMessages(f *testing.F) {
	for _, text := range []string{goldenQuestion, goldenReply, goldenMetadata} {
		f.Add(golden(f, text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseInference(data); err == nil {
			_, _ = r.vectors("", 2)
		}
		_, _ = parseMetadata(data)
	})
}
