package accel_test

import (
	"context"
	"encoding/json"
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

// echo is a generator that answers with an object, the first time without what was asked for.
type echo struct{ asked int }

func (e *echo) Identity() accel.Identity { return accel.Identity{Provider: "example", Model: "echo"} }

func (e *echo) Generate(_ context.Context, p accel.Prompt) (accel.Generated, error) {
	if e.asked++; p.Complaint == "" {
		return accel.Generated{Text: `{}`}, nil
	}
	return accel.Generated{Text: `{"word":"lamp"}`}, nil
}

func ExampleGeneration() {
	task := accel.Task{Schema: json.RawMessage(`{"type":"object","required":["word"]}`), Name: "answer",
		Read: func(answer string) ([]byte, string) {
			var said struct{ Word string }
			if json.Unmarshal([]byte(answer), &said) != nil || said.Word == "" {
				return nil, `"word" is missing`
			}
			return []byte(said.Word), ""
		}}
	model := accel.Generation(&echo{}, func(text string) (accel.Task, string, error) { return task, text, nil })
	done := make(chan accel.Result, 1)
	b := accel.NewBatcher(model, accel.BatcherOptions{Rows: 1, Done: func(rs []accel.Result) { done <- rs[0] }})
	var running sync.WaitGroup
	running.Go(func() { b.Run(context.Background()) })
	b.Submit([]accel.Call{{Fingerprint: [16]byte{1}, Text: "What is on the desk?"}})
	r := <-done
	fmt.Println(string(r.Text), r.Err, r.Attempts)
	b.Drain(context.Background())
	running.Wait()
	// Output: lamp <nil> 2
}
