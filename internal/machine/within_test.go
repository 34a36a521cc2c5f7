package machine_test

import (
	"runtime/debug"
	"testing"

	"github.com/freshet/freshet/internal/machine"
)

func TestTheCollectorKeepsToTheBudget(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	})
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	machine.KeepWithin(500 << 20)
	if at, grows := debug.SetMemoryLimit(-1), debug.SetGCPercent(100); at != 400<<20 || grows != 200 {
		t.Errorf("it works harder from %d bytes on, and collects at %d percent", at, grows)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("GOGC", "50")
	machine.KeepWithin(100 << 20)
	if at, grows := debug.SetMemoryLimit(-1), debug.SetGCPercent(100); at != 400<<20 || grows != 100 {
		t.Errorf("the environment does not count: %d bytes, %d percent", at, grows)
	}
}
