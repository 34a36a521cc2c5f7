package stream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func TestASinkOfVectorsTakesACollectionWithJustOne(t *testing.T) {
	vector := func(name string) cdc.Column {
		return cdc.Column{Name: name, Type: cdc.Type{Kind: cdc.Vector, Dims: 3}}
	}
	id := cdc.Column{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}
	for name, test := range map[string]struct {
		columns []cdc.Column
		want    string // the column found, or else a part of the message
	}{
		"one among others": {[]cdc.Column{id, vector("v")}, "v"},
		"none":             {[]cdc.Column{id}, "no vector column"},
		"two":              {[]cdc.Column{vector("v"), id, vector("w")}, "the vectors v and w"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := stream.VectorColumn(stream.Collection{Name: "docs", Schema: &cdc.Schema{Columns: test.columns}})
			if err == nil {
				if got.Name != test.want || got.Type.Dims != 3 {
					t.Errorf("found %+v, want %s", got, test.want)
				}
				return
			}
			var p *stream.Problem
			if !errors.As(err, &p) || p.Code != "no_vector_column" || p.Field != "from" || p.Hint == "" || !strings.Contains(p.Message, test.want) {
				t.Errorf("the problem is %+v", err)
			}
		})
	}
}
