package backpressure_test

import (
	"fmt"
	"time"

	"github.com/freshet/freshet/backpressure"
)

func ExampleGovernor() {
	g := backpressure.New(backpressure.Options{Concurrency: 4, Limits: backpressure.Limits{backpressure.Requests: 600}})
	call := backpressure.Cost{Rows: 1, Input: 20}
	send := func() *backpressure.Permit {
		permit, wait := g.Admit(backpressure.Ask{First: call, Want: call}, func(room *backpressure.Room) backpressure.Cost {
			return call // gather more while room.Holds it
		})
		fmt.Println("admitted:", permit != nil, "wait for something to change:", wait < 0)
		return permit
	}
	first := send()
	send() // one request at first: nobody knows the endpoint yet
	g.Settle(first, backpressure.Outcome{Verdict: backpressure.Answered, Charged: true, Used: call})
	second := send()
	g.Settle(second, backpressure.Outcome{Verdict: backpressure.Failed, RetryAfter: time.Minute, Said: "slow down"})
	h := g.Health(false)
	fmt.Println(h.State, h.Reason, h.Message, h.Spent.Input)
	// Output:
	// admitted: true wait for something to change: false
	// admitted: false wait for something to change: true
	// admitted: true wait for something to change: false
	// closed retry_after slow down 20
}

func ExamplePool() {
	pool := backpressure.NewPool(backpressure.Amount{Bytes: 100})
	vectors := pool.Stage("vectors")
	fmt.Println(vectors.Open())
	vectors.Take(backpressure.Amount{Rows: 1, Bytes: 120}) // one that is too large is taken alone
	fmt.Println(vectors.Open())
	vectors.Move(backpressure.Amount{Rows: 1, Bytes: 120}, backpressure.Queued, backpressure.InFlight)
	b := pool.Balances()[0]
	fmt.Println(b.Granted.Bytes, b.Free.Bytes, b.Queued.Bytes, b.InFlight.Bytes, b.Retrying.Bytes)
	// Output:
	// true
	// false
	// 120 0 0 120 0
}
