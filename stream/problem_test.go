package stream_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func TestProblemsSayWhere(t *testing.T) {
	for _, c := range []struct {
		problem stream.Problem
		want    string
	}{
		{stream.Problem{Message: "m"}, "m"},
		{stream.Problem{Node: "chunks", Message: "m"}, "chunks: m"},
		{stream.Problem{Node: "chunks", Field: "text", Message: "m"}, "chunks.text: m"},
		{stream.Problem{Field: "text", Message: "m"}, "text: m"},
	} {
		if got := c.problem.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestProblemsUnfoldWhatIsJoined(t *testing.T) {
	a, b := &stream.Problem{Code: "a"}, &stream.Problem{Code: "b"}
	got := stream.Problems(errors.Join(fmt.Errorf("bind: %w", a), errors.Join(b, errors.New("other"))))
	if len(got) != 3 || got[0] != a || got[1] != b || got[2].Code != "internal" || got[2].Message != "other" {
		t.Errorf("got %v, want a, b and an internal one", got)
	}
	if stream.Problems(nil) != nil {
		t.Error("no error has problems")
	}
	if at := a.At("x"); at.Node != "x" || a.Node != "" || at.At("y").Node != "x" {
		t.Error("At names the node once, in a copy")
	}
}

func TestNearestNames(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"txt", "text"}, {"tetx", "text"}, {"texts", "text"}, {"pth", "path"}, {"siez", "size"}, {"medai_type", "media_type"},
		{"a", ""}, {"xy", ""}, {"bodies", ""}, {"", ""}, {"mediatyp", "media_type"},
	} {
		if got := stream.Nearest(c.name, []string{"path", "text", "size", "id", "media_type"}); got != c.want {
			t.Errorf("nearest to %q is %q, want %q", c.name, got, c.want)
		}
	}
	if got := stream.DidYouMean("columns", "zzz", []string{"b", "a"}); got != "the columns are a, b" {
		t.Errorf("got %q", got)
	}
	if got := stream.DidYouMean("column", "zzz", nil); got != "there is no column" {
		t.Errorf("got %q", got)
	}
}

func TestRowsLieInOneArena(t *testing.T) {
	var rows stream.Rows
	for i := range 3 {
		rows.Builder.Reset()
		rows.Builder.Int64(int64(i))
		rows.Emit()
	}
	rows.EmitRow(rows.At(1))
	if rows.Len() != 4 || rows.At(3).At(0).Int64() != 1 || rows.At(2).At(0).Int64() != 2 || rows.Bytes() != 4*len(rows.At(0)) {
		t.Errorf("%d rows in %d bytes, want four", rows.Len(), rows.Bytes())
	}
	if err := cdc.CheckRow(rows.At(3)); err != nil {
		t.Error(err)
	}
	if rows.Reset(); rows.Len() != 0 || rows.Bytes() != 0 {
		t.Error("rows stay after Reset")
	}
}
