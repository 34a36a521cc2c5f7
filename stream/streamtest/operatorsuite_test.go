package streamtest_test

import (
	"bytes"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/streamtest"
)

func TestItsOwnOperatorsPass(t *testing.T) {
	rows := []cdc.Row{streamtest.NewRow("a", "x|y|x", 1), streamtest.NewRow("b", "", 2), streamtest.NewRow("c", "!", 3), streamtest.NewRow("d", "z", 4)}
	t.Run("cut", func(t *testing.T) {
		streamtest.TestOperator(t, streamtest.OperatorCase{Operator: streamtest.Cut{Without: "y"}, Schema: streamtest.Schema(), Rows: rows})
	})
	t.Run("ask", func(t *testing.T) {
		streamtest.TestOperator(t, streamtest.OperatorCase{Operator: streamtest.Ask{Model: streamtest.NewModel("m", 1), Column: "body"},
			Schema: streamtest.Schema(), Rows: rows, Result: bytes.ToUpper})
	})
}
