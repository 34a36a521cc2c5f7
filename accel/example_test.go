package accel_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/builtin"
)

func ExampleBatcher() {
	model, err := builtin.New(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	results := make(chan accel.Result, 3)
	b := accel.NewBatcher(accel.Embeddings(model), accel.BatcherOptions{Done: func(rs []accel.Result) {
		for _, r := range rs {
			results <- r
		}
	}})
	var running sync.WaitGroup
	running.Go(func() { b.Run(context.Background()) })

	b.Submit([]accel.Call{
		{Fingerprint: [16]byte{1}, Text: "one text"},
		{Fingerprint: [16]byte{2}, Text: "another"},
		{Fingerprint: [16]byte{1}, Text: "one text"}, // the same call
	})
	for range 2 {
		r := <-results
		fmt.Println(len(r.Vector), r.Err, r.Attempts)
	}
	b.Drain(context.Background())
	running.Wait()
	fmt.Println(b.Stats().Calls, "calls")
	// Output:
	// 256 <nil> 1
	// 256 <nil> 1
	// 2 calls
}
