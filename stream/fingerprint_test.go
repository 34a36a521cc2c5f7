package stream_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/stream"
)

// logics are the fingerprints of a plan by name.
func logics(p *stream.Plan) map[string]stream.Fingerprint {
	all := map[string]stream.Fingerprint{}
	for _, s := range p.Steps {
		all["step "+s.Name] = s.Logic
	}
	for _, c := range p.Collections {
		all["collection "+c.Name] = c.Logic
	}
	for _, s := range p.Sinks {
		all["sink "+s.Name], all["storage "+s.Name] = s.Logic, s.Storage
	}
	return all
}

// I7: what does not change rows changes no fingerprint, and what may change them changes every one behind.
func TestLogicChangesWithWhatRowsDependOn(t *testing.T) {
	declare := func(live, last, sink string, first step, storage string, o stream.SinkOptions) *stream.Flow {
		f := stream.New("test")
		f.AddSource("docs", docs())
		f.AddStep(live, "docs", first, stream.StepOptions{})
		f.AddStep(last, live, parts(), stream.StepOptions{})
		f.AddSink(sink, []string{last}, target{storage: storage}, o)
		return f
	}
	lang := step{config: "one", reads: []string{"lang"}}
	base := logics(plan(t, declare("live", "parts", "index", lang, "", stream.SinkOptions{})))
	same := func(t *testing.T, got map[string]stream.Fingerprint, pairs ...string) {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if base[pairs[i]] != got[pairs[i+1]] || base[pairs[i]].IsZero() {
				t.Errorf("%s has another logic", pairs[i+1])
			}
		}
	}
	other := func(t *testing.T, got map[string]stream.Fingerprint, names ...string) {
		t.Helper()
		for _, n := range names {
			if base[n] == got[n] || got[n].IsZero() {
				t.Errorf("%s has the same logic", n)
			}
		}
	}
	t.Run("planned again", func(t *testing.T) {
		got := logics(plan(t, declare("live", "parts", "index", lang, "", stream.SinkOptions{})))
		for n := range base {
			same(t, got, n, n)
		}
	})
	t.Run("steps and sinks renamed", func(t *testing.T) {
		got := logics(plan(t, declare("fresh", "bits", "search", lang, "", stream.SinkOptions{})))
		same(t, got, "step live", "step fresh", "step parts", "step bits", "collection parts", "collection bits", "sink index", "sink search")
	})
	t.Run("a step between changed", func(t *testing.T) {
		changed := lang
		changed.config = "two"
		got := logics(plan(t, declare("live", "parts", "index", changed, "", stream.SinkOptions{})))
		other(t, got, "step live", "collection live", "collection parts", "sink index")
		same(t, got, "step parts", "step parts", "collection docs", "collection docs", "storage index", "storage index")
	})
	t.Run("a sink's storage changed", func(t *testing.T) {
		got := logics(plan(t, declare("live", "parts", "index", lang, "ip", stream.SinkOptions{})))
		other(t, got, "storage index")
		same(t, got, "sink index", "sink index", "collection parts", "collection parts")
	})
	t.Run("a sink's key changed", func(t *testing.T) {
		got := logics(plan(t, declare("live", "parts", "index", lang, "", stream.SinkOptions{Key: []string{"title"}})))
		other(t, got, "sink index")
		same(t, got, "collection parts", "collection parts")
	})
	t.Run("a second sink of the same columns", func(t *testing.T) {
		f := declare("live", "parts", "index", lang, "", stream.SinkOptions{})
		f.AddSink("copy", []string{"parts"}, target{}, stream.SinkOptions{})
		got := logics(plan(t, f))
		for n := range base {
			same(t, got, n, n)
		}
	})
}

func TestFingerprintsTellListsOfPartsApart(t *testing.T) {
	parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 3), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		equal := len(a) == len(b)
		for i := 0; equal && i < len(a); i++ {
			equal = bytes.Equal(a[i], b[i])
		}
		if got := stream.FingerprintOf(a...) == stream.FingerprintOf(b...); got != equal {
			t.Fatalf("%q and %q: same fingerprint %t, same parts %t", a, b, got, equal)
		}
	})
}

func TestFingerprintsAreStable(t *testing.T) {
	got := stream.FingerprintOf([]byte("embed"), []byte("text")).String()
	if want := "7eef471a07e104d70e988a470c763d99"; got != want {
		t.Errorf("got %s, want %s: every memo of every state would be lost", got, want)
	}
}
