package main

import (
	"fmt"
	"log/slog"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// endpoints are the models behind servers that the names of one flow file stand for: names of one model at one server
// share its limits, its waits and its breaker, each with an account and a budget of its own.
type endpoints struct {
	known map[endpoint]declared
}

// endpoint is what a server tells its callers apart by.
type endpoint struct {
	kind string
	serverConfig
}

// declared is how an endpoint was named first.
type declared struct {
	name     string
	limits   flowfile.ModelLimits
	governor *backpressure.Governor
}

func newEndpoints() *endpoints { return &endpoints{known: map[endpoint]declared{}} }

// asking is how a model behind a server is asked, as its keys in the flow file say.
func (e *endpoints) asking(name string, at endpoint, m flowfile.ModelConfig, log *slog.Logger) (operators.ModelOptions, error) {
	o := asking(m, log)
	first, known := e.known[at]
	switch {
	case !known:
		e.known[at] = declared{name, m.Limits, o.Governor}
	case first.limits != m.Limits:
		return o, &stream.Problem{Code: "bad_value", Field: "limits", Hint: "write the same limits with both",
			Message: fmt.Sprintf("the models %q and %q are one model at one server, whose limits cannot be two", first.name, name)}
	default:
		o.Governor = first.governor.Sibling(priceOf(m), dailyOf(m))
	}
	return o, nil
}

// asking is how a model is asked that shares its limits with none.
func asking(m flowfile.ModelConfig, log *slog.Logger) operators.ModelOptions {
	o := backpressure.Options{Concurrency: m.Limits.Concurrency, Deadline: m.Limits.Timeout, Price: priceOf(m), Daily: dailyOf(m)}
	o.Limits[backpressure.Requests], o.Limits[backpressure.Tokens] = int64(m.Limits.RPM), int64(m.Limits.TPM)
	return operators.ModelOptions{CanaryEvery: m.Canary, BatcherOptions: accel.BatcherOptions{Governor: backpressure.New(o),
		Rows: m.Batch.Rows, Tokens: m.Batch.Tokens, Padded: m.Batch.Padded, Timeout: m.Limits.Timeout, Logger: log}}
}

func priceOf(m flowfile.ModelConfig) backpressure.Price {
	return backpressure.PriceOf(m.Price.InputPerMTok, m.Price.OutputPerMTok)
}

// dailyOf is the bound of a day; nil where there is none.
func dailyOf(m flowfile.ModelConfig) *backpressure.Money {
	if m.Budget.USDPerDay == nil {
		return nil
	}
	daily := backpressure.MoneyOf(*m.Budget.USDPerDay)
	return &daily
}
