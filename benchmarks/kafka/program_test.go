package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the whole program, built for a test, with a flow.
type program struct {
	t            testing.TB
	binary, flow string
}

func newProgram(t testing.TB, flow string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, binary: filepath.Join(dir, "freshet"), flow: filepath.Join(dir, "flow.yaml")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, "github.com/freshet/freshet/cmd/freshet")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	if err := os.WriteFile(p.flow, []byte(flow), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// life runs the program until enough returns, and then kills it with SIGKILL. That it ends by itself is a fault.
func (p *program) life(enough func(ctx context.Context) error) {
	p.t.Helper()
	ctx, ended := context.WithCancelCause(p.t.Context())
	defer ended(nil)
	var said bytes.Buffer
	c := exec.CommandContext(p.t.Context(), p.binary, "run", p.flow, "--addr", "127.0.0.1:0")
	c.Stderr, c.WaitDelay = &said, 5*time.Second
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	var end sync.WaitGroup
	end.Go(func() { ended(fmt.Errorf("the program ended: %w", c.Wait())) })
	err := enough(ctx)
	early := context.Cause(ctx)
	_ = c.Process.Kill() // it may have ended
	end.Wait()
	if err != nil || early != nil {
		p.t.Fatalf("wait until the program has done enough: %v, %v; it said\n%s", err, early, said.String())
	}
}

// once runs the program until it has caught up.
func (p *program) once() {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.t.Context(), 10*time.Minute)
	defer stop()
	if out, err := exec.CommandContext(ctx, p.binary, "run", p.flow, "--once", "--addr", "127.0.0.1:0").CombinedOutput(); err != nil {
		p.t.Fatalf("run --once: %v\n%s", err, out)
	}
}

// position is how far the state of the program, which does not run, holds a source: the next offset of each partition.
func (p *program) position(source string) map[int32]int64 {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), p.binary, "status", p.flow, "--json").Output()
	if err != nil {
		p.t.Fatalf("status: %v\n%s", err, out)
	}
	var status struct {
		Data struct {
			Sources map[string]struct{ Position string }
		}
	}
	if err := json.Unmarshal(out, &status); err != nil {
		p.t.Fatal(err)
	}
	at := map[int32]int64{}
	text := status.Data.Sources[source].Position
	for part := range strings.SplitSeq(text, ",") {
		var number int32
		var next int64
		if text == "" {
			break
		}
		if _, err := fmt.Sscanf(part, "%d:%d", &number, &next); err != nil {
			p.t.Fatalf("position %q: %v", text, err)
		}
		at[number] = next
	}
	return at
}
