package split

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"
)

// tokenTexts holds what the rule of pieces treats in special ways.
var tokenTexts = []string{
	"", " ", "\n", "  a", "a  ", "don't 'S 'LL 'lL 're x've 'tis", "it's", "1234567 12", "١٢٣٤٥", "x\u00a0y", "\r\n\r\n a",
	"   \n  \n  b", "fn(a,\n\n\tb);\n", "日本語のテキスト。次の文", "👩‍👩‍👧‍👦 family", "e\u0301te\u0301", "....\n\n\n....",
	"\u2028 \u3000\u0085x", " !\n", "  !", "²³½ Ⅷ", "\ufeffbom", "ſ 'ſ 'K", "tab\t\tx", "a\r\rb",
}

func TestTokensAreCountedAsTheVocabularyCountsThem(t *testing.T) {
	counter := newTokenCounter()
	reference := codec.NewCl100kBase()
	check := func(t rapid.TB, text string) {
		want, err := reference.Count(text)
		if err != nil {
			t.Fatalf("count: %v", err)
		}
		if strings.Contains(text, "\x7f") {
			return // the reference has no token for it, the vocabulary has
		}
		if got := counter.text(text); got != want {
			t.Fatalf("%q has %d tokens, want %d", text, got, want)
		}
	}
	for _, text := range tokenTexts {
		check(t, text)
	}
	source, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "go", "printer", "nodes.go"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, string(source))
	rapid.Check(t, func(t *rapid.T) { check(t, anyText().Draw(t, "text")) })
}

func TestADeleteCharacterIsOneToken(t *testing.T) {
	if got := newTokenCounter().text("a\x7fb \x7f"); got != 5 {
		t.Errorf("got %d tokens, want 5: a, U+007F, b, a space, U+007F", got)
	}
}

// anyText draws texts with many borders between kinds of characters.
func anyText() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom(tokenTexts), rapid.String(), rapid.StringMatching(`[ \n\r\ta-zA-Z0-9'.,!-]{0,12}`))
	return rapid.Custom(func(t *rapid.T) string {
		text := ""
		for _, p := range rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces") {
			text += p
		}
		return text
	})
}

func TestAnyRangeIsMeasuredAsIfItStoodAlone(t *testing.T) {
	counter := newTokenCounter()
	rulers := map[string]func(text string) (ruler, func(string) int){
		"tokens": func(text string) (ruler, func(string) int) {
			r := new(tokenRuler)
			r.reset(text, counter)
			return r, counter.text
		},
		"code points": func(text string) (ruler, func(string) int) {
			r := new(runeRuler)
			r.reset(text)
			return r, utf8.RuneCountInString
		},
	}
	for name, measure := range rulers {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			text := ""
			for range rapid.IntRange(1, 8).Draw(t, "texts") {
				text += anyText().Draw(t, "text")
			}
			r, alone := measure(text)
			seed := rapid.Uint64().Draw(t, "seed")
			dice := rand.New(rand.NewPCG(seed, 0))
			for range 20 {
				lo := runeStart(text, dice.IntN(len(text)+1))
				hi := runeStart(text, lo+dice.IntN(len(text)-lo+1))
				// Ranges never begin or end with white space.
				lo = trimLeft(text, lo, hi)
				hi = trimRight(text, lo, hi)
				if lo >= hi {
					continue
				}
				if got, want := r.units(lo, hi), alone(text[lo:hi]); got != want {
					t.Fatalf("%q of %q measures %d, want %d", text[lo:hi], text, got, want)
				}
				if r.at(lo) > r.at(hi) {
					t.Fatalf("positions of %q decrease between %d and %d", text, lo, hi)
				}
			}
		}))
	}
}

// runeStart returns the offset of the code point that at is in.
func runeStart(text string, at int) int {
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

func BenchmarkCountTokens(b *testing.B) {
	source, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "src", "testdata", "Isaac.Newton-Opticks.txt"))
	if err != nil {
		b.Fatal(err)
	}
	counter := newTokenCounter()
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		counter.text(string(source))
	}
}
