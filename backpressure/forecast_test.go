package backpressure_test

import (
	"testing"
	"time"

	"github.com/freshet/freshet/backpressure"
)

func TestAForecastIsThePriceAndTheNarrowestLimit(t *testing.T) {
	g := backpressure.New(backpressure.Options{Price: backpressure.PriceOf(2, 10),
		Limits: backpressure.Limits{backpressure.Requests: 100, backpressure.Tokens: 1000}})
	money, least := g.Forecast(200, backpressure.Cost{Input: 5000, Output: 1000})
	if money.USD() != 0.02 || least != 6*time.Minute {
		t.Errorf("6,000 tokens in 200 requests cost %v USD and take %v, want 0.02 and 6m", money.USD(), least)
	}
	if _, least := backpressure.New(backpressure.Options{}).Forecast(1e6, backpressure.Cost{Input: 1e9}); least != 0 {
		t.Errorf("without limits it takes %v at least", least)
	}
}
