package flight_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
	"github.com/freshet/freshet/cdc"
)

// ownerVariable makes this test binary a process that owns a worker: it names the folder of the program.
const ownerVariable = "FRESHET_TEST_WORKER_OWNER"

// ownWorker starts a worker and waits at a call for ever.
func ownWorker() {
	c, err := flight.New(flight.Options{Command: []string{os.Getenv("FRESHET_TEST_PYTHON"), "-B", "worker.py"}, Dir: os.Getenv(ownerVariable), Timeout: time.Hour})
	if err != nil {
		panic(err)
	}
	text := cdc.Type{Kind: cdc.String}
	f, err := flight.NewFunction(c, "wait", &cdc.Schema{Columns: []cdc.Column{{Name: "out", Type: text}}})
	if err != nil {
		panic(err)
	}
	shape, err := f.Shape(&cdc.Schema{Columns: []cdc.Column{{Name: "how", Type: text}}})
	if err != nil {
		panic(err)
	}
	for _, how := range []string{"briefly", os.Getenv("FRESHET_TEST_HOW")} {
		var b cdc.RowBuilder
		b.Text(how)
		if _, err := f.Answer(context.Background(), []accel.Asked{{Text: string(shape[:]) + string(b.Build())}}); err != nil {
			panic(err)
		}
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
}

// A worker ends with the process that has started it, also where that is killed and where the worker is in the
// middle of a call that never ends.
func TestNoWorkerOutlivesAProcessThatIsKilled(t *testing.T) {
	for name, how := range map[string]string{"it waits for work": "briefly", "it is in a call that never ends": "for ever"} {
		t.Run(name, func(t *testing.T) {
			o := program(t, `
import os, time
from freshet_worker import serve
here = os.open("alive", os.O_WRONLY)
def wait(how):
    os.write(here, b"x")
    if how == "for ever": time.sleep(3600)
    return how
serve(wait, revision="")
`)
			fifo := filepath.Join(o.Dir, "alive")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			owner := exec.CommandContext(t.Context(), os.Args[0])
			owner.Env = append(os.Environ(), ownerVariable+"="+o.Dir, "FRESHET_TEST_PYTHON="+o.Command[0], "FRESHET_TEST_HOW="+how, "PYTHONPATH="+modulePath(t))
			owner.Stderr = testWriter{t}
			in, err := owner.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := owner.Start(); err != nil {
				t.Fatal(err)
			}
			alive, err := os.Open(fifo) // it waits until the worker is there
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			calls := make([]byte, 1)
			for range 2 {
				if _, err := alive.Read(calls); err != nil {
					t.Fatal(err)
				}
			}
			if err := owner.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = owner.Wait()
			_ = alive.SetReadDeadline(time.Now().Add(20 * time.Second))
			if n, err := alive.Read(calls); n != 0 || os.IsTimeout(err) {
				t.Errorf("the worker is still there: %d, %v", n, err)
			}
		})
	}
}
