package engine_test

import (
	"testing"
	"testing/synctest"
)

func TestTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := newMachine(t, w.flow)
		s.start()
		w.put("a", "x|y", 1)
		s.settle()
		w.verify("live")
		w.put("a", "x|z", 1)
		s.settle()
		w.verify("live")
		s.stop()
	})
}
