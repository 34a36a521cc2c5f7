package stream_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream"
)

func TestFaultsOfTypesNameFieldAndColumn(t *testing.T) {
	type embedded struct{ Titel string }
	for _, c := range []struct {
		name    string
		declare func(f *stream.Flow)
		want    []string
	}{
		{"a column that the source does not have, and one that is something else", func(f *stream.Flow) {
			type bad struct {
				Titel string
				ID    string
				Body  string
				Lang  string
			}
			stream.Filter(stream.From[bad](f, "docs", docs()), "live", stream.Version(1), func(bad) bool { return true })
		}, []string{
			`unknown_column live.bad.Titel: bad.Titel is the column "titel", which "docs" does not have | did you mean "title"?`,
			`wrong_type live.bad.ID: bad.ID is string, and the column "id" of "docs" is int | make it int64`,
			`wrong_type live.bad.Body: bad.Body is string, and the column "body" of "docs" is string?, which may be null | make it *string`,
		}},
		{"a fault of an embedded struct", func(f *stream.Flow) {
			type bad struct{ embedded }
			stream.Filter(stream.From[bad](f, "docs", docs()), "live", stream.Version(1), func(bad) bool { return true })
		}, []string{`unknown_column live.bad.Titel: bad.Titel is the column "titel", which "docs" does not have | did you mean "title"?`}},
		{"types that no column holds", func(f *stream.Flow) {
			type loop struct {
				Again []struct{ Loop map[string]int }
			}
			type bad struct {
				Score float32
				Any   any `freshet:"any"`
				C     chan int
				L     loop
				F     complex64 `freshet:"-"`
			}
			stream.Filter(stream.From[bad](f, "docs", docs()), "live", stream.Version(1), func(bad) bool { return true })
		}, []string{
			`wrong_type live.bad.Score: bad.Score is float32, which no column holds | make it float64: a float32 would lose digits without a word`,
			`wrong_type live.bad.Any: bad.Any is interface {}, which no column holds | make it json.RawMessage, or a struct with the members that are needed`,
			"wrong_type live.bad.C: bad.C is chan int, which no column holds | leave it out with the tag `freshet:\"-\"`, or make it bool, int64, float64, string, []byte, " +
				"time.Time, [16]byte, json.RawMessage, []float32, a slice or a struct of these, or a pointer where null is allowed",
			`wrong_type live.bad.L.Again[].Loop: bad.L.Again[].Loop is map[string]int, which no column holds | make it json.RawMessage, or a struct with the members that are needed`,
		}},
		{"a struct that is part of itself", func(f *stream.Flow) {
			stream.Filter(stream.From[tree](f, "docs", docs()), "live", stream.Version(1), func(tree) bool { return true })
		}, []string{`wrong_type live.tree.Children[]: tree.Children[] is stream_test.tree, which no column holds | a struct cannot be part of itself: make the inner one json.RawMessage`}},
		{"tags that are none", func(f *stream.Flow) {
			type bad struct {
				A string    `freshet:"a,kye"`
				B int       `freshet:",decimal"`
				C string    `freshet:",dims=3"`
				D []float32 `freshet:",dims=many"`
				E []string  `freshet:"e,key"`
				F string    `freshet:"a"`
			}
			stream.Filter(stream.From[bad](f, "docs", docs()), "live", stream.Version(1), func(bad) bool { return true })
		}, []string{
			`bad_value live.bad.A: the tag of bad.A says "kye" | did you mean "key"?`,
			`wrong_type live.bad.B: the tag of bad.B says decimal, and it is int | decimal and json are for a string, date is for a time.Time`,
			`wrong_type live.bad.C: the tag of bad.C gives it a length, and it is string | dims is for a []float32`,
			`bad_value live.bad.D: the tag of bad.D says "dims=many" | give the length of the vector, such as dims=384`,
			`wrong_type live.bad.E: bad.E is [string], which no key can hold | make texts, numbers, times or the like the key`,
		}},
		{"two fields of one column", func(f *stream.Flow) {
			type bad struct {
				Title string
				Named string `freshet:"title"`
			}
			stream.Filter(stream.From[bad](f, "docs", docs()), "live", stream.Version(1), func(bad) bool { return true })
		}, []string{"duplicate_name live.bad.Named: bad.Title and bad.Named are both the column \"title\" | name the column of one of them: `freshet:\"name\"`"}},
		{"what is no struct", func(f *stream.Flow) {
			stream.Filter(stream.From[string](f, "docs", docs()), "live", stream.Version(1), func(string) bool { return true })
		}, []string{`wrong_type live.string: string is no struct, whose fields are columns | declare a struct with a field for each column that is read`}},
		{"no function", func(f *stream.Flow) {
			all := stream.From[Doc](f, "docs", docs())
			stream.Filter(all, "a", stream.Version(1), nil)
			stream.Map[Doc, Doc](all, "b", stream.Version(1), nil)
			stream.FlatMap[Doc, Doc](all, "c", stream.Version(1), nil)
		}, []string{
			`missing_key a: the step has no function | give the function that it runs`,
			`missing_key b: the step has no function | give the function that it runs`,
			`missing_key c: the step has no function | give the function that it runs`,
		}},
		{"columns that a function must not make", func(f *stream.Flow) {
			type bad struct {
				ID     string
				Key    string `freshet:"_key"`
				Vector []float32
				Seq    int `freshet:",key"`
			}
			stream.Map(stream.From[Doc](f, "docs", docs()), "out", stream.Version(1), func(Doc) (bad, error) { return bad{}, nil })
		}, []string{
			`bad_value out.bad.Key: "_key" cannot name a column | names that begin with _ are kept for what sinks add, such as _key and _version`,
			"wrong_type out.bad.Vector: bad.Vector is a vector, and its length is not said | give it: `freshet:\"vector,dims=384\"`",
			`wrong_type out.bad.ID: bad.ID is string, and the key column "id" of "docs" is int | make it int64`,
			`bad_value out.bad.Seq: bad.Seq is tagged key, and a map keeps the key of its rows | take the tag away, or use FlatMap, whose rows have a key of their own`,
		}},
		{"a column with the name of the one that is added", func(f *stream.Flow) {
			type bad struct {
				ID string `freshet:"my_lines_id"`
			}
			stream.FlatMap(stream.From[Doc](f, "docs", docs()), "my-lines", stream.Version(1), func(Doc) ([]bad, error) { return nil, nil })
		}, []string{`duplicate_name my-lines: the step adds the column "my_lines_id", and there is one of that name | ` +
			`tag a field key that tells the rows of one owner apart, or name the column otherwise`}},
		{"what a sink is given", func(f *stream.Flow) {
			type bad struct {
				ID   int64
				Lang time.Time
			}
			stream.Into(stream.From[bad](f, "docs", docs()), "log", target{}, stream.SinkOptions{})
		}, []string{"wrong_type log.bad.Lang: bad.Lang is time.Time, and the column \"lang\" of \"docs\" is string | make it string"}},
		{"a column that a sink is to hold", func(f *stream.Flow) {
			type bad struct{ Titel string }
			stream.Into(stream.From[bad](f, "docs", docs()), "log", target{}, stream.SinkOptions{})
		}, []string{`unknown_column log.columns.titel: "docs" has no column "titel" | did you mean "title"?`}},
		{"a name that nothing has", func(f *stream.Flow) {
			stream.From[Doc](f, "docs", docs())
			stream.Into(stream.As[Doc](f, "dosc"), "log", target{}, stream.SinkOptions{})
		}, []string{`unknown_name log.from: no source or step is named "dosc" | did you mean "docs"?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := stream.New("test")
			c.declare(f)
			if diff := cmp.Diff(c.want, faults(t, f)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// tree is a struct that is part of itself.
type tree struct{ Children []tree }
