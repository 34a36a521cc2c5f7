package machine_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/freshet/freshet/internal/machine"
)

func TestTheLineNamesToolchainAndCores(t *testing.T) {
	if line := machine.Describe(); !strings.HasPrefix(line, runtime.Version()+", "+runtime.GOOS+"/"+runtime.GOARCH) || !strings.Contains(line, " cores") {
		t.Errorf("the machine is %q", line)
	}
}

func TestTheMostMemoryIsNotLessThanWhatIsHeld(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system has no /proc")
	}
	const size = 64 << 20
	held := make([]byte, size)
	for i := range held {
		held[i] = byte(i)
	}
	most, err := machine.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	if most < size {
		t.Errorf("%d bytes are held, and the most is %d", size, most)
	}
	runtime.KeepAlive(held)
}

func TestWorkTakesProcessorTime(t *testing.T) {
	before := machine.CPUTime()
	sum := 0
	for after := before; after <= before; after = machine.CPUTime() {
		for i := range 1_000_000 {
			sum += i
		}
	}
	if sum == 0 {
		t.Error("nothing was worked")
	}
}
