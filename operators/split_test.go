package operators_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return `{"path": "a.md", "text": ` + string(b) + `, "size": 1}`
}

func TestSplitReplacesTheColumnAndExtendsTheKey(t *testing.T) {
	in := files()
	for _, c := range []struct {
		name   string
		config operators.SplitConfig
		keep   []string
		schema string
		want   []string
	}{
		{"every column", operators.SplitConfig{Text: "row.text", Size: 10}, nil,
			"{path* string, size int, media_type string?, chunk_id* string, chunk string, seq int, start int, end int}",
			[]string{`{"path":"a.md","size":1,"media_type":null,"chunk_id":"8ab63e29a4ba14e4","chunk":"one two","seq":0,"start":0,"end":7}`,
				`{"path":"a.md","size":1,"media_type":null,"chunk_id":"8b5b9db0c13db242","chunk":"three","seq":1,"start":9,"end":14}`}},
		{"what is read", operators.SplitConfig{Text: "row.text", Size: 10}, []string{"chunk"}, "{path* string, chunk_id* string, chunk string}",
			[]string{`{"path":"a.md","chunk_id":"8ab63e29a4ba14e4","chunk":"one two"}`, `{"path":"a.md","chunk_id":"8b5b9db0c13db242","chunk":"three"}`}},
		{"an expression leaves its columns", operators.SplitConfig{Text: `row.?text.orValue("")`, Size: 10}, []string{"chunk", "text"},
			"{path* string, text string?, chunk_id* string, chunk string}",
			[]string{`{"path":"a.md","text":"one two\n\nthree","chunk_id":"8ab63e29a4ba14e4","chunk":"one two"}`,
				`{"path":"a.md","text":"one two\n\nthree","chunk_id":"8b5b9db0c13db242","chunk":"three"}`}},
		{"the key is split and stays", operators.SplitConfig{Text: "row.path"}, []string{"chunk"}, "{path* string, chunk_id* string, chunk string}",
			[]string{`{"path":"a.md","chunk_id":"fecccc97532467ad","chunk":"a.md"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			op, err := operators.NewSplit(c.config)
			b := bind(t, op, err, in, c.keep...)
			if got := b.Schema().String(); got != c.schema {
				t.Errorf("schema\n%s, want\n%s", got, c.schema)
			}
			if diff := cmp.Diff(c.want, apply(t, b, row(t, in, text("one two\n\nthree")))); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitOfNothingHasNoRows(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text"})
	b := bind(t, op, err, in)
	for _, object := range []string{`{"path": "a", "size": 0}`, text(""), text(" \n\t ")} {
		if got := apply(t, b, row(t, in, object)); got != nil {
			t.Errorf("%s has chunks %v", object, got)
		}
	}
}

func TestHeadingsAreOnDemandAndOfMarkdownAlone(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "markdown", Size: 20})
	b := bind(t, op, err, in, "chunk", "heading")
	got := apply(t, b, row(t, in, text("intro\n\n# Guide\n\nfirst words\n\n## Install\n\nsecond words")))
	last := got[len(got)-1]
	if !strings.Contains(last, `"heading":"Guide > Install"`) || !strings.Contains(got[0], `"heading":null`) {
		t.Errorf("got %v, want the path of headings behind them", got)
	}
	if diff := cmp.Diff([]string{"seq", "start", "end", "heading"}, b.(stream.Selective).OnDemand()); diff != "" {
		t.Errorf("on demand (-want +got):\n%s", diff)
	}
}

func TestAChunkMayBeSplitAgain(t *testing.T) {
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 30})
	first := bind(t, op, err, files(), "chunk")
	op, err = operators.NewSplit(operators.SplitConfig{Text: "row.chunk", Size: 10})
	second := bind(t, op, err, first.Schema(), "chunk")
	if got, want := second.Schema().String(), "{path* string, chunk_id* string, chunk_id_2* string, chunk string}"; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
	if len(second.Schema().Key) != 3 {
		t.Errorf("the key is %v, want three columns", second.Schema().Key)
	}
}

func TestAKeyColumnWinsOverAPosition(t *testing.T) {
	in := files()
	in.Columns[0] = column("seq", "int")
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text"})
	if got, want := bind(t, op, err, in, "seq", "chunk").Schema().String(), "{seq* int, chunk_id* string, chunk string}"; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
}

func TestCodeIsSplitByTheLanguageOfItsPath(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", By: "code", Size: 40})
	b := bind(t, op, err, in, "chunk")
	if diff := cmp.Diff([]string{"path", "text"}, b.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	code := "func a() {\n\treturn\n}\n\nfunc b() {\n\treturn\n}\n"
	for _, file := range []string{"x.go", "X.GO", "notes.unknown"} {
		object := fmt.Sprintf(`{"path": %q, "text": %q, "size": 1}`, file, code)
		if got := apply(t, b, row(t, in, object)); len(got) != 2 {
			t.Errorf("%s has %d chunks, want its two functions: %v", file, len(got), got)
		}
	}
}

// ids are the chunk_ids of a text, by chunk in order.
func ids(t testing.TB, b stream.Bound, in *cdc.Schema, document string) (ids, chunks []string) {
	for _, r := range apply(t, b, row(t, in, text(document))) {
		var x struct {
			ID    string `json:"chunk_id"`
			Chunk string `json:"chunk"`
		}
		if err := json.Unmarshal([]byte(r), &x); err != nil {
			t.Fatal(err)
		}
		ids, chunks = append(ids, x.ID), append(chunks, x.Chunk)
	}
	return ids, chunks
}

func TestInsertingAParagraphMovesNoOtherChunk(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 30})
	b := bind(t, op, err, in, "chunk")
	paragraphs := []string{"the first paragraph is here", "the second one stands here", "and here is the third one"}
	before, _ := ids(t, b, in, strings.Join(paragraphs, "\n\n"))
	after, _ := ids(t, b, in, strings.Join(slices.Insert(slices.Clone(paragraphs), 1, "a new one between the two"), "\n\n"))
	if len(before) != 3 || len(after) != 4 {
		t.Fatalf("%d and %d chunks, want 3 and 4", len(before), len(after))
	}
	for _, id := range before {
		if !slices.Contains(after, id) {
			t.Errorf("chunk %s is gone, want it to stay", id)
		}
	}
}

func TestEqualChunksAreNumbered(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 10})
	b := bind(t, op, err, in, "chunk")
	got, _ := ids(t, b, in, "again it\n\nother one\n\nagain it\n\nagain it")
	if len(got) != 4 || got[2] != got[0]+"-2" || got[3] != got[0]+"-3" || len(got[0]) != 16 {
		t.Errorf("got %v, want the second and third of its kind numbered", got)
	}
}

// Whatever the text, keys are unique within the owner, and equal chunks have equal sets of keys wherever
// they stand.
func TestChunkIdentityIsUniqueAndHasNoPlace(t *testing.T) {
	in := files()
	op, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 6})
	b := bind(t, op, err, in, "chunk")
	word := rapid.SampledFrom([]string{"aaaa", "bbbb", "cccc", "dd dd"})
	rapid.Check(t, func(rt *rapid.T) {
		paragraphs := rapid.SliceOfN(word, 1, 12).Draw(rt, "paragraphs")
		one, chunks := ids(t, b, in, strings.Join(paragraphs, "\n\n"))
		if len(chunks) != len(paragraphs) {
			rt.Fatalf("%d chunks of %d paragraphs", len(chunks), len(paragraphs))
		}
		slices.Reverse(paragraphs)
		other, _ := ids(t, b, in, strings.Join(paragraphs, "\n\n"))
		slices.Sort(one)
		slices.Sort(other)
		if !slices.Equal(one, other) || len(slices.Compact(slices.Clone(one))) != len(one) {
			rt.Fatalf("keys %v, in another order %v", one, other)
		}
	})
}
