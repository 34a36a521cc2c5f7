package machine

import (
	"os"
	"runtime/debug"
)

// collectAt is by how many percent the heap may grow before it is collected again, where the budget leaves room for that: half as
// often as Go does it by itself.
const collectAt = 200

// KeepWithin makes the garbage collector keep the heap within so many bytes (I9): it works harder from four fifths of them
// on, and takes less of the processor below. GOMEMLIMIT and GOGC of the environment count instead. It changes the process
// as a whole.
func KeepWithin(heap int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heap / 5 * 4)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
