package split_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators/split"
)

// headed is what the Markdown tests look at: the path, and how the chunk begins.
type headed struct{ Heading, Begin string }

func headedOf(chunks []split.Chunk) []headed {
	var all []headed
	for _, c := range chunks {
		begin, _, _ := strings.Cut(c.Text, "\n")
		all = append(all, headed{c.Heading, begin})
	}
	return all
}

func TestMarkdown(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("words of a section ", 3)) // 56 characters
	for _, c := range []struct {
		name string
		size int
		text string
		want []headed
	}{
		{"a text without headings has no path", 400, words, []headed{{"", words}}},
		{"sections are chunks even where both fit", 400, "# A\n\n" + words + "\n\n## B\n\n" + words,
			[]headed{{"A", "# A"}, {"A > B", "## B"}}},
		{"a tiny section joins the next one", 400, "# A\n\nTiny.\n\n## B\n\n" + words, []headed{{"A", "# A"}}},
		{"a title stays with the section right below it", 400, "# A\n\n## B\n\n" + words, []headed{{"A > B", "# A"}}},
		{"sections of level three share a chunk", 400, "### A\n\n" + words + "\n\n### B\n\n" + words, []headed{{"A", "### A"}}},
		{"sections of level three are cut where they do not fit", 100, "### A\n\n" + words + "\n\n### B\n\n" + words,
			[]headed{{"A", "### A"}, {"B", "### B"}}},
		{"underlined headings are headings", 400, "A\n===\n\n" + words + "\n\nB\n---\n\n" + words,
			[]headed{{"A", "A"}, {"A > B", "B"}}},
		{"the path is that of the chunk's first text", 70, "# A\n\n" + words + "\n\n" + words,
			[]headed{{"A", "# A"}, {"A", words}}},
		{"a section of the same level ends the one before", 100, "# A\n\n## B\n\n" + words + "\n\n# C\n\n" + words,
			[]headed{{"A > B", "# A"}, {"C", "# C"}}},
		{"a heading in a fence is none", 400, "# A\n\n```\n# no\n```\n\n" + words, []headed{{"A", "# A"}}},
		{"a heading in a quotation or a list is not in the path", 60, "# A\n\n> ## no\n\n- # no\n\n" + words,
			[]headed{{"A", "# A"}, {"A", words}}},
		{"closing marks and spaces are no part of a heading", 400, "#   A  b   ##\n\n" + words, []headed{{"A b", "#   A  b   ##"}}},
		{"line ends of Windows change nothing", 400, "# A\r\n\r\n" + words + "\r\n\r\n## B\r\n\r\n" + words,
			[]headed{{"A", "# A\r"}, {"A > B", "## B\r"}}},
		{"a heading is not left alone at the end of a chunk", 80, words + "\n\n### A\n\n" + words,
			[]headed{{"", words}, {"A", "### A"}}},
		{"a heading in front matter is none", 400, "---\n# no\ntitle: no\n---\n" + words, []headed{{"", "---"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := splitter(t, split.Options{By: split.Markdown, Size: c.size})
			if diff := cmp.Diff(c.want, headedOf(chunksOf(s, c.text))); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOverlapDoesNotReachIntoAnotherSection(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("words of a section ", 8))
	text := "# A\n\n" + words + "\n\n# B\n\n" + words
	for _, c := range chunksOf(splitter(t, split.Options{By: split.Markdown, Size: 120, Overlap: 40}), text) {
		if at := strings.Index(c.Text, "# B"); at > 0 {
			t.Errorf("%q begins in the section before", c.Text)
		}
	}
}

func TestAFenceThatFitsIsNotCut(t *testing.T) {
	fence := "```go\nfunc a() {}\n\nfunc b() {}\n\nfunc c() {}\n```"
	text := "# A\n\n" + strings.Repeat("Some words before it. ", 9) + "\n\n" + fence + "\n\n" + strings.Repeat("And after. ", 20)
	for size := len(fence); size < 200; size += 7 {
		found := false
		for _, c := range chunksOf(splitter(t, split.Options{By: split.Markdown, Size: size}), text) {
			found = found || strings.Contains(c.Text, fence)
		}
		if !found {
			t.Errorf("size %d cuts a fence of %d characters", size, len(fence))
		}
	}
}
