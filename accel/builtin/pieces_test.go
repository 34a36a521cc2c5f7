package builtin

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextsAreCutAsTheReferenceTokenizerCutsThem(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "pieces.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, names := newPieces(vocabulary), strings.Split(vocabulary, "\n")
	var r reader
	lines := bufio.NewScanner(f)
	n := 0
	for ; lines.Scan(); n++ {
		var want struct {
			Text   string
			Pieces []uint16
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if got := r.read(p, want.Text); !slices.Equal(got, want.Pieces) {
			t.Errorf("%q is cut into %q, not into %q", want.Text, named(names, got), named(names, want.Pieces))
		}
	}
	if err := lines.Err(); err != nil || n < 400 {
		t.Errorf("%d texts were compared: %v", n, err)
	}
}

func named(names []string, pieces []uint16) []string {
	var n []string
	for _, p := range pieces {
		n = append(n, names[p])
	}
	return n
}

func TestEveryRowHasAName(t *testing.T) {
	if n := strings.Count(vocabulary, "\n"); n != rows || len(matrix) != rows*columns {
		t.Errorf("%d names for %d bytes of vectors", n, len(matrix))
	}
}

// FuzzPieces holds what is cut against its text: the pieces of a word, put together, are the word.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{"unaffable embeddings", "Crème\u0301 東京 x", "a\x00b\xff\u200d", "!!!"} {
		f.Add(text)
	}
	p, names := newPieces(vocabulary), strings.Split(vocabulary, "\n")
	f.Fuzz(func(t *testing.T, text string) {
		var r reader
		found := slices.Clone(r.read(p, text))
		if again := new(reader).read(p, text); !slices.Equal(found, again) {
			t.Errorf("%q is cut into %v and %v", text, found, again)
		}
		if len(found) > 3*len(text) {
			t.Errorf("%d bytes have %d pieces", len(text), len(found))
		}
		if word := strings.ToLower(text); isWord(word) {
			if got := strings.ReplaceAll(strings.Join(named(names, found), ""), continues, ""); len(found) > 0 && got != word {
				t.Errorf("the pieces of %q are those of %q", word, got)
			}
		}
	})
}

func isWord(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= longestWord && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || '9' < c && c < 'a' || 'z' < c })
}
