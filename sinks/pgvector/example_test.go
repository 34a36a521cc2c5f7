package pgvector_test

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// A sink is checked against its collections before any server is reached.
func ExampleNew() {
	sink, err := pgvector.New(pgvector.Options{DSN: "postgres://freshet_writer@127.0.0.1:5432/app", Table: "doc_chunks", Metric: stream.Cosine})
	if err != nil {
		fmt.Println(err)
		return
	}
	schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{
		{Name: "path", Type: cdc.Type{Kind: cdc.String}},
		{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 3072}},
	}}
	_, err = sink.Bind([]stream.Collection{{Name: "vectors", Schema: schema}})
	var problem *stream.Problem
	if errors.As(err, &problem) {
		fmt.Println(problem.Message)
		fmt.Println(problem.Hint)
	}
	// Output:
	// "vectors" has vectors of 3072 numbers; an index over vector takes 2000
	// use type: halfvec (up to 4000), or index: none
}
