package qdrant_test

import (
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
)

// Whoever knows the key of a row finds its point without a search.
func ExampleID() {
	fmt.Println(qdrant.ID(0, cdc.StringKey("guide/billing.md")))
	// Output:
	// 2b1e491f-ccd7-5c77-a54a-a01b139021df
}

func ExampleNew() {
	_, err := qdrant.New(qdrant.Options{URL: "localhost:6334", Collection: "docs"})
	fmt.Println(err)
	// Output:
	// url: the url is no address of a Qdrant server
}
