package qdrant_test

import (
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
)

// Whoever knows the key of a row finds its point without a search.
func ExampleID() {
	fmt.Println(qdrant.ID("docs", cdc.StringKey("guide/billing.md")))
	// Output:
	// 668afe9c-1b9a-59f9-90a4-0d7ae5a560db
}

func ExampleNew() {
	_, err := qdrant.New(qdrant.Options{URL: "localhost:6334", Collection: "docs"})
	fmt.Println(err)
	// Output:
	// url: the url is no address of a Qdrant server
}
