package machine

import (
	"os"
	"runtime/debug"
)

// collectAt is by how many percent the heap may grow before it is collected again, where the budget leaves room for that: half as
// often as Go does it by itself.
const collectAt = 200

// KeepWithin makes the garbage collector keep the process within a budget of memory, in bytes (I9): it works harder from
// four fifths of it on, and takes less of the processor below. GOMEMLIMIT and GOGC of the environment count instead. It
// changes the process as a whole.
func KeepWithin(memory int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 5 * 4)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
