package split_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freshet/freshet/operators/split"
)

// edits are what an author does to a file; each returns the lines afterwards.
var edits = []struct {
	name string
	edit func(lines []string, n int) []string
}{
	{"a line is inserted at the top", func(lines []string, _ int) []string { return slices.Insert(lines, 0, "// A new first line.\n") }},
	{"a line is inserted in the middle", func(lines []string, _ int) []string {
		return slices.Insert(lines, len(lines)/2, "\tinserted := true // in the middle\n")
	}},
	{"a line is inserted anywhere", func(lines []string, n int) []string {
		return slices.Insert(lines, n, "\tinserted := true // somewhere\n")
	}},
	{"a line is deleted", func(lines []string, n int) []string { return slices.Delete(lines, n, n+1) }},
	{"a line is changed", func(lines []string, n int) []string { lines[n] = "\tchanged := n + 1\n"; return lines }},
	{"ten lines are moved to the end", func(lines []string, n int) []string {
		to := min(n+10, len(lines))
		moved := slices.Clone(lines[n:to])
		return append(slices.Delete(lines, n, to), moved...)
	}},
	{"a line is appended", func(lines []string, _ int) []string { return append(lines, "// The end.\n") }},
}

// textsOf is the set of the texts of chunks: what a model is called for.
func textsOf(s *split.Splitter, text string) map[string]bool {
	all := map[string]bool{}
	s.Split(text, func(c split.Chunk) bool {
		all[c.Text] = true
		return true
	})
	return all
}

// I7: an edit makes the few chunks around it new, and leaves the chunks of the rest of the file as they were.
func TestAnEditMakesFewChunksNew(t *testing.T) {
	programs := goTree(t, ".go", 4_000, 150_000, 300)
	pages := goTree(t, ".md", 2_000, 150_000, 300)
	if len(programs) < 200 || len(pages) < 10 {
		t.Fatalf("%d programs and %d pages are too few to tell", len(programs), len(pages))
	}
	for _, c := range []struct {
		name     string
		options  split.Options
		texts    []string
		mean     float64 // the most new chunks an edit may make, on average
		hundredP int     // and in 99 of 100 edits
	}{
		{"programs recursively", split.Options{Size: 600}, programs, 2, 6},
		{"programs as code", split.Options{Size: 600, By: split.Code, Language: split.Go}, programs, 2, 6},
		{"programs with overlap", split.Options{Size: 600, Overlap: 60}, programs, 3, 8},
		{"programs in tokens", split.Options{Size: 200, Unit: split.Tokens}, programs, 2, 6},
		{"pages recursively", split.Options{Size: 600}, pages, 3, 8},
		{"pages as Markdown", split.Options{Size: 600, By: split.Markdown}, pages, 3, 8},
		{"pages by sentence", split.Options{Size: 600, By: split.Sentence}, pages, 3, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := splitter(t, c.options)
			var all []int
			worst := map[string]int{}
			for i, text := range c.texts {
				old, lines := textsOf(s, text), strings.SplitAfter(text, "\n")
				some := edits
				if len(c.texts) > 100 {
					some = edits[i%len(edits):][:1]
				}
				for _, e := range some {
					n := fresh(s, old, e.edit(slices.Clone(lines), i*7919%(len(lines)-1)))
					all, worst[e.name] = append(all, n), max(worst[e.name], n)
				}
			}
			t.Logf("worst: %v", worst)
			slices.Sort(all)
			sum := 0
			for _, n := range all {
				sum += n
			}
			mean, hundredP := float64(sum)/float64(len(all)), all[len(all)*99/100]
			t.Logf("%d edits make %.2f chunks new on average, 99 of 100 make at most %d, the worst %d",
				len(all), mean, hundredP, all[len(all)-1])
			if mean > c.mean || hundredP > c.hundredP {
				t.Errorf("an edit makes %.2f chunks new, and %d in 99 of 100; want at most %.1f and %d",
					mean, hundredP, c.mean, c.hundredP)
			}
		})
	}
}

// fresh counts the chunks of the lines that are not among the old ones.
func fresh(s *split.Splitter, old map[string]bool, lines []string) int {
	n := 0
	for text := range textsOf(s, strings.Join(lines, "")) {
		if !old[text] {
			n++
		}
	}
	return n
}

func TestTheLastLineDoesNotReachFarBack(t *testing.T) {
	s := splitter(t, split.Options{Size: 600})
	for i, text := range goTree(t, ".go", 20_000, 150_000, 60) {
		before, after := chunksOf(s, text), chunksOf(s, text+"// One more line at the end of the file.\n")
		same := 0
		for same < min(len(before), len(after)) && before[same] == after[same] {
			same++
		}
		if far := before[min(same, len(before)-1)]; len(text)-far.Start > 8*600 {
			t.Errorf("file %d: a line at the end changes the chunk %d bytes before it", i, len(text)-far.Start)
		}
	}
}

func TestChunksOfProseAreWellFilled(t *testing.T) {
	book := prose(t)
	for _, o := range []split.Options{
		{Size: 300}, {Size: 600}, {}, {Size: 2000}, {By: split.Sentence}, {Size: 2000, By: split.Sentence},
	} {
		s, chunks, units := splitter(t, o), 0, 0
		s.Split(book, func(c split.Chunk) bool {
			chunks++
			units += utf8.RuneCountInString(c.Text)
			return true
		})
		fill := float64(units) / float64(chunks) / float64(s.Options().Size)
		t.Logf("%v of size %d: %d chunks, %.0f %% full", o.By, s.Options().Size, chunks, 100*fill)
		if fill < 0.6 {
			t.Errorf("%v of size %d fills its chunks to %.0f %%, want 60", o.By, s.Options().Size, 100*fill)
		}
	}
}
