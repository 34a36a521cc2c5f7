package split_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/google/go-cmp/cmp"
	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/operators/split"
)

// chunksOf collects the chunks of a text.
func chunksOf(s *split.Splitter, text string) []split.Chunk {
	var all []split.Chunk
	s.Split(text, func(c split.Chunk) bool {
		all = append(all, c)
		return true
	})
	return all
}

// splitter returns a Splitter for options that are right.
func splitter(t testing.TB, o split.Options) *split.Splitter {
	t.Helper()
	s, err := split.New(o)
	if err != nil {
		t.Fatalf("new splitter: %v", err)
	}
	return s
}

// checker holds the chunks of any text to the invariants of the package.
type checker struct{ codec *codec.Codec }

func newChecker() checker { return checker{codec.NewCl100kBase()} }

// measure counts the units of a text by other means than the package does.
func (c checker) measure(t rapid.TB, text string, u split.Unit) int {
	if u == split.Chars {
		return len([]rune(text))
	}
	n, err := c.codec.Count(text)
	if err != nil {
		t.Fatalf("count tokens: %v", err)
	}
	return n
}

// check splits text and fails the test where an invariant does not hold.
func (c checker) check(t rapid.TB, s *split.Splitter, text string) []split.Chunk {
	o := s.Options()
	chunks := chunksOf(s, text)
	if again := chunksOf(s, text); !cmp.Equal(chunks, again) {
		t.Fatalf("%+v splits %q in two ways:\n%s", o, text, cmp.Diff(chunks, again))
	}
	covered, prev := 0, split.Chunk{}
	for i, k := range chunks {
		if k.Start < 0 || k.End > len(text) || text[k.Start:k.End] != k.Text {
			t.Fatalf("%+v, chunk %d of %q: text[%d:%d] is not %q", o, i, text, k.Start, k.End, k.Text)
		}
		if k.Text == "" || strings.TrimSpace(k.Text) != k.Text {
			t.Fatalf("%+v, chunk %d of %q has white space around it: %q", o, i, text, k.Text)
		}
		if n := c.measure(t, k.Text, o.Unit); n > o.Size {
			t.Fatalf("%+v, chunk %d of %q has %d units: %q", o, i, text, n, k.Text)
		}
		if i > 0 && (k.Start <= prev.Start || k.End <= prev.End) {
			t.Fatalf("%+v, chunks %d and %d of %q are out of order", o, i-1, i, text)
		}
		if rest := strings.TrimSpace(text[min(covered, k.Start):k.Start]); rest != "" {
			t.Fatalf("%+v: %q is in no chunk of %q", o, rest, text)
		}
		if k.Start < prev.End {
			repeated := text[k.Start:prev.End]
			if n := c.measure(t, repeated, o.Unit); n > o.Overlap {
				t.Fatalf("%+v, chunk %d of %q repeats %d units: %q", o, i, text, n, repeated)
			}
		}
		covered, prev = k.End, k
	}
	if rest := strings.TrimSpace(text[covered:]); rest != "" {
		t.Fatalf("%+v: %q at the end is in no chunk of %q", o, rest, text)
	}
	return chunks
}

// clusters fails the test where a cut is inside a grapheme cluster. One that is larger than the size is cut, and
// white space in a cluster may be trimmed from it.
func (c checker) clusters(t rapid.TB, o split.Options, text string, chunks []split.Chunk) {
	if !utf8.ValidString(text) {
		return // clusters are of code points, and there are none
	}
	inside := map[int]string{}
	for it := graphemes.FromString(text); it.Next(); {
		cluster := it.Value()
		if strings.ContainsFunc(cluster, unicode.IsSpace) || c.measure(t, cluster, o.Unit) > o.Size-o.Overlap {
			continue
		}
		for i := it.Start() + 1; i < it.End(); i++ {
			inside[i] = cluster
		}
	}
	for _, k := range chunks {
		for _, at := range [...]int{k.Start, k.End} {
			if cluster, ok := inside[at]; ok {
				t.Fatalf("%+v cuts %q at %d, inside %q", o, text, at, cluster)
			}
		}
	}
}

// words are pieces of text that make every kind of border, right and wrong ones.
var words = []string{
	"a", "word", "Sentence.", "two words", "e.g. this", "\"Quoted.\"", "(clause,", "x;", " ", "  ", "\n", "\n\n", "\r\n", "\n \t\n", "\t",
	"日本語。", "漢字", "かな", "👩‍👩‍👧‍👦", "e\u0301", "\u0301", " \u0301", "\u00a0", "\u3000", "\u2028", "🇩🇪🇫🇷", "한국어", "ไทยนำ้", "\ufe0f", "。\ufe00",
	"# ", "## H", "### T\n", "- ", "1. ", "> ", "```\n", "~~~", "|a|b|\n|-|-|\n", "---\n", "===\n", "    code\n", "<div>\n", "[x]: y\n",
	"func f() {\n", "}\n", "// c\n", "/* ", " */", "\"", "'", "`", "${", "{", "(", "def f():\n", "    pass\n", "@dec\n", "r#\"", "R\"x(", "'a",
	"https://example.com/a/b?c=d&e=f", "aVeryLongWordWithoutAnyPlaceToBreakItThatIsLongerThanMostSizes", "\xff", "\xe6\x97", "\x00",
}

func anyText() *rapid.Generator[string] {
	piece := rapid.OneOf(rapid.SampledFrom(words), rapid.SampledFrom(words), rapid.String())
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces"), "")
	})
}

func anyOptions() *rapid.Generator[split.Options] {
	return rapid.Custom(func(t *rapid.T) split.Options {
		o := split.Options{
			By:   split.By(rapid.IntRange(0, 3).Draw(t, "by")),
			Unit: split.Unit(rapid.IntRange(0, 1).Draw(t, "unit")),
		}
		least := 1
		if o.Unit == split.Tokens {
			least = 4
		}
		o.Size = rapid.OneOf(rapid.IntRange(least, 12), rapid.IntRange(least, 150)).Draw(t, "size")
		if rapid.Bool().Draw(t, "overlaps") {
			o.Overlap = rapid.IntRange(0, o.Size-least).Draw(t, "overlap")
		}
		if o.By == split.Code {
			name := rapid.SampledFrom(split.Languages()).Draw(t, "language")
			o.Language, _ = split.ParseLanguage(name)
		}
		return o
	})
}

func TestAnyTextIsSplitByTheInvariants(t *testing.T) {
	c := newChecker()
	rapid.Check(t, func(t *rapid.T) {
		o := anyOptions().Draw(t, "options")
		text := anyText().Draw(t, "text")
		s, err := split.New(o)
		if err != nil {
			t.Fatalf("new splitter: %v", err)
		}
		c.clusters(t, o, text, c.check(t, s, text))
	})
}

func FuzzSplit(f *testing.F) {
	for i, w := range words {
		f.Add(w+words[(i*7+3)%len(words)]+w, uint8(i), uint16(i*3), uint8(i))
	}
	c := newChecker()
	f.Fuzz(func(t *testing.T, text string, by uint8, size uint16, overlap uint8) {
		o := split.Options{By: split.By(by % 4), Unit: split.Unit(by / 4 % 2), Size: 4 + int(size%2000)}
		o.Overlap = int(overlap) % (o.Size - 3)
		if o.By == split.Code {
			names := split.Languages()
			o.Language, _ = split.ParseLanguage(names[int(by/8)%len(names)])
		}
		if o.Unit == split.Tokens && strings.Contains(text, "\x7f") {
			t.Skip("the reference passes over U+007F")
		}
		c.clusters(t, o, text, c.check(t, splitter(t, o), text))
	})
}
