package vector_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
)

func Example() {
	ctx := context.Background()
	x, err := vector.Open("index", vector.Options{Dims: 3, FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()
	err = x.Apply(ctx, &vector.Txn{
		Epoch: 1,
		Upserts: []vector.Upsert{
			{Key: []byte("sea"), Version: 1, Vector: []float32{0, 1, 1}, Payload: []byte("blue"), Terms: [][]byte{[]byte("lang=en")}},
			{Key: []byte("ciel"), Version: 1, Vector: []float32{0, 0, 1}, Payload: []byte("bleu"), Terms: [][]byte{[]byte("lang=fr")}},
			{Key: []byte("fire"), Version: 1, Vector: []float32{1, 0, 0.2}, Payload: []byte("red"), Terms: [][]byte{[]byte("lang=en")}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	hits, err := x.Search(ctx, vector.Query{Vector: []float32{0, 0.1, 1}, K: 2, Terms: [][]byte{[]byte("lang=en")}})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range hits {
		fmt.Printf("%s %.2f %s\n", h.Key, h.Score, h.Payload)
	}
	// Output:
	// sea 0.77 blue
	// fire 0.20 red
}

func ExampleView() {
	ctx := context.Background()
	x, err := vector.Open("index", vector.Options{Dims: 2, FS: vfs.NewMem(), Metric: stream.L2})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()
	write := func(epoch uint64, payload string) {
		row := vector.Upsert{Key: []byte("row"), Version: epoch, Vector: []float32{3, 4}, Payload: []byte(payload)}
		if err := x.Apply(ctx, &vector.Txn{Epoch: epoch, Upserts: []vector.Upsert{row}}); err != nil {
			log.Fatal(err)
		}
	}
	write(1, "before")
	v := x.View()
	defer v.Close()
	write(2, "after")
	for _, search := range []func(context.Context, vector.Query) ([]vector.Hit, error){v.Search, x.Search} {
		hits, err := search(ctx, vector.Query{Vector: []float32{3, 3}, K: 1})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.1f %s\n", hits[0].Score, hits[0].Payload)
	}
	// Output:
	// -1.0 before
	// -1.0 after
}
