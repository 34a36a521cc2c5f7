package split_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators/split"
)

func textsIn(chunks []split.Chunk) []string {
	var texts []string
	for _, c := range chunks {
		texts = append(texts, c.Text)
	}
	return texts
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name    string
		options split.Options
		text    string
		want    []string
	}{
		{"an empty text has no chunks", split.Options{}, "", nil},
		{"white space has no chunks", split.Options{}, " \n\t\u00a0\u3000\n", nil},
		{"a short text is one chunk without the white space around it", split.Options{}, "\n  short text \n", []string{"short text"}},
		{"a text of exactly the size is one chunk", split.Options{Size: 10}, "0123 5678é", []string{"0123 5678é"}},
		{"small paragraphs share a chunk", split.Options{Size: 12}, "one\n\ntwo\n\nthree four", []string{"one\n\ntwo", "three four"}},
		{"paragraphs are cut before lines", split.Options{Size: 12}, "a b\nc d e\n\nf g\nh", []string{"a b\nc d e", "f g\nh"}},
		{"lines are cut before sentences", split.Options{Size: 14}, "One. Two.\nThree. Four.", []string{"One. Two.", "Three. Four."}},
		{"sentences are cut before words", split.Options{Size: 16}, "One two three. Four five six.", []string{"One two three.", "Four five six."}},
		{"clauses are cut before words", split.Options{Size: 16}, "one two three, four five six", []string{"one two three,", "four five six"}},
		{"an abbreviation ends no sentence", split.Options{Size: 21}, "By J. Smith and, Mr. Jones", []string{"By J. Smith and,", "Mr. Jones"}},
		{"a word that is too long is cut", split.Options{Size: 4}, "abcdefgh", []string{"abcd", "efgh"}},
		{"an address is cut beside its punctuation", split.Options{Size: 16}, "https://one.example/path", []string{"https://one.", "example/path"}},
		{"letters with marks stay whole", split.Options{Size: 2}, "e\u0301e\u0301", []string{"e\u0301", "e\u0301"}},
		{"a family stays whole", split.Options{Size: 7}, "👩‍👩‍👧‍👦👩‍👩‍👧‍👦", []string{"👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"}},
		{"a cluster larger than the size is cut between code points", split.Options{Size: 1}, "e\u0301", []string{"e", "\u0301"}},
		{"Chinese is cut at its own full stop", split.Options{Size: 8}, "今天天气很好。我们去公园。", []string{"今天天气很好。", "我们去公园。"}},
		{"a no-break space breaks nothing", split.Options{Size: 9}, "12\u00a0kg 5\u00a0kg", []string{"12\u00a0kg", "5\u00a0kg"}},
		{"tokens are counted, not characters", split.Options{Size: 4, Unit: split.Tokens}, "internationalization of software, x y", []string{"internationalization of", "software, x y"}},
		{"sentences are packed across lines", split.Options{By: split.Sentence, Size: 25}, "One\ntwo. Three\nfour five. Six.", []string{"One\ntwo. Three\nfour five.", "Six."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, textsIn(chunksOf(splitter(t, c.options), c.text))); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParagraphsThatDoNotFitTogetherAreChunks(t *testing.T) {
	for _, by := range []split.By{split.Recursive, split.Markdown} {
		var want []string
		for i := range 200 {
			long := strings.TrimSpace(strings.Repeat(fmt.Sprintf("word%d and. ", i), 5+i%4))
			want = append(want, long)
		}
		text := "\n\n" + strings.Join(want, "\n \n\n") + "  \n"
		got := textsIn(chunksOf(splitter(t, split.Options{By: by, Size: 105}), text))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %v (-want +got):\n%s", by, diff)
		}
	}
}

func TestOverlapRepeatsTheEndOfTheChunkBefore(t *testing.T) {
	s := splitter(t, split.Options{Size: 40, Overlap: 15})
	text := "The first sentence is here. A second one. And then a third follows it, with a clause."
	chunks := chunksOf(s, text)
	if len(chunks) < 3 {
		t.Fatalf("%d chunks, want 3 or more", len(chunks))
	}
	for i, c := range chunks[1:] {
		before := chunks[i]
		if c.Start >= before.End {
			t.Errorf("%q repeats nothing of %q", c.Text, before.Text)
		}
		if text[c.Start-1] != ' ' {
			t.Errorf("%q begins inside a word", c.Text)
		}
	}
}

func TestSplitEndsWhenYieldSaysSo(t *testing.T) {
	n := 0
	splitter(t, split.Options{Size: 5}).Split("one two three four five", func(split.Chunk) bool {
		n++
		return n < 2
	})
	if n != 2 {
		t.Errorf("yield was called %d times, want 2", n)
	}
}

func TestOneSplitterServesManyGoroutines(t *testing.T) {
	for _, o := range []split.Options{
		{Size: 300}, {Size: 300, By: split.Markdown}, {Size: 100, Unit: split.Tokens}, {Size: 300, By: split.Code, Language: split.Go},
	} {
		s := splitter(t, o)
		texts := goTree(t, ".md", 1_000, 30_000, 8)
		var want [][]split.Chunk
		for _, text := range texts {
			want = append(want, chunksOf(s, text))
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for i, text := range texts {
					if got := chunksOf(s, text); !cmp.Equal(want[i], got) {
						t.Errorf("%+v splits text %d in another way beside others", o, i)
					}
				}
			})
		}
		all.Wait()
	}
}

func TestAShortTextCostsNoAllocation(t *testing.T) {
	s := splitter(t, split.Options{})
	text := strings.Repeat("words and ", 40)
	if n := testing.AllocsPerRun(100, func() { s.Split(text, ignore) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Texts whose every byte is a border, a bracket or a nesting take quadratic time where nothing is done about it: minutes
// instead of milliseconds.
func TestTextsMadeToBeSlowAreSplitInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const size = 1 << 16
	of := func(piece string) string { return strings.Repeat(piece, size/len(piece)) }
	var indented strings.Builder
	for i := 0; indented.Len() < size; i++ {
		indented.WriteString(strings.Repeat(" ", 2*i) + "- a\n")
	}
	texts := map[string]string{
		"one letter": of("a"), "spaces": "x" + of(" ") + "y", "line ends": "x" + of("\n") + "y", "full stops": of("."),
		"closers": of("。」"), "quotations": of(">"), "list marks": of("- "), "brackets": of("{"), "marks on a letter": "e" + of("\u0301"),
		"templates": of("`${"), "slashes": of("/"), "open comments": of("/*"), "a comment of line ends": "/*" + of("\n"),
		"equal lines": of("same line\n"), "letters as paragraphs": of("a\n\n"), "headings": of("# a\n"), "flags": of("🇩🇪"),
		"a table": "|a|b|\n|-|-|\n" + of("|x|y|\n"), "a nested list": indented.String(), "a long heading": of("word\n") + "---\n",
	}
	for _, o := range []split.Options{
		{Size: 400}, {Size: 400, By: split.Markdown}, {Size: 400, By: split.Sentence, Overlap: 40},
		{Size: 400, By: split.Code, Language: split.JavaScript}, {Size: 400, Unit: split.Tokens},
	} {
		s := splitter(t, o)
		for name, text := range texts {
			start := time.Now()
			s.Split(text, ignore)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%+v takes %v for %s", o, took, name)
			}
		}
	}
}
