package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRedactKeepsTheContract holds the operator to what every operator is held to.
func TestRedactKeepsTheContract(t *testing.T) {
	streamtest.TestOperator(t, streamtest.OperatorCase{Operator: redact{}, Schema: streamtest.Schema(),
		Rows: []cdc.Row{streamtest.NewRow("a@b.example", "write to anna.b+c@d.example, not to @anna", 1), streamtest.NewRow("b", "", 2)}})
}
