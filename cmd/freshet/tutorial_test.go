package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/internal/testenv"
)

// TestTheTutorialIsWhatHappens runs the commands of docs/getting-started.md in their order, as a person without rights,
// against a server that the page itself makes, and compares what they print. -update writes what they print into the page.
func TestTheTutorialIsWhatHappens(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server of its own")
	}
	testenv.RequirePostgres(t, 18)
	page := filepath.Join("..", "..", "docs", "getting-started.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell := testenv.NewShell(t, map[string]string{"freshet": program}, "kill -9 $shop $bge; pg_ctl -D ~/freshet-walk/pg -m immediate stop")
	_, port, err := net.SplitHostPort(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	written := string(text)
	for _, step := range stepsOf(written) {
		printed, err := play(shell, step, port)
		if err != nil {
			t.Fatalf("%s\n%v\n%s", step.commands, err, printed)
		}
		if steady(step.printed) == steady(printed) || fits(step.printed, printed) {
			continue
		}
		if *update && !strings.Contains(step.printed, elided) {
			written = strings.Replace(written, step.block(step.printed), step.block(printed), 1)
			continue
		}
		t.Errorf("%s\nprints something else than the page says (-page +printed):\n%s\nexactly:\n%s",
			step.commands, cmp.Diff(strings.Split(steady(step.printed), "\n"), strings.Split(steady(printed), "\n")), printed)
	}
	if *update {
		if err := os.WriteFile(page, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// step is what a page shows to type, and what it says is printed.
type step struct {
	commands, printed string
	shown             bool // the page shows what is printed
	until             bool // it may take a while to become true
}

// block is how the page writes a step.
func (s step) block(printed string) string {
	if printed != "" {
		printed = strings.TrimRight(printed, "\n") + "\n"
	}
	return "```sh\n" + s.commands + "```\n```text\n" + printed + "```\n"
}

var shellBlock = regexp.MustCompile("(?s)(<!-- replay: (\\w+) -->\n)?```sh\n(.*?)```\n(```text\n(.*?)```\n)?")

// stepsOf are the shell blocks of a page, each with the block of text right behind it.
func stepsOf(page string) []step {
	var steps []step
	for _, m := range shellBlock.FindAllStringSubmatch(page, -1) {
		if m[2] != "not" {
			steps = append(steps, step{commands: m[3], printed: m[5], shown: m[4] != "", until: m[2] == "until"})
		}
	}
	return steps
}

// play runs a step, on another port than the page's, which may be taken here. A step whose truth takes a while is repeated until it
// prints what it should.
func play(shell *testenv.Shell, s step, port string) (printed string, err error) {
	const pagePort = "5499"
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-beat.C {
		printed, err = shell.Run(strings.ReplaceAll(s.commands, pagePort, port))
		printed = strings.ReplaceAll(strings.ReplaceAll(printed, port, pagePort), shell.Home, "~")
		if err != nil || !s.until || fits(s.printed, printed) || time.Now().After(end) {
			return printed, err
		}
	}
}

// elided stands on a page for any number of lines.
const elided = "…\n"

// fits compares what was printed with what the page shows of it.
func fits(page, printed string) bool {
	head, tail, cut := strings.Cut(page, elided)
	if !cut {
		return steady(page) == steady(printed)
	}
	return strings.HasPrefix(steady(printed), steady(head)) && strings.HasSuffix(steady(printed), steady(tail))
}

// passing is what differs from run to run: times, sizes, positions, epochs, addresses, and the prints of logic.
var passing = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z|\b[0-9A-F]+/[0-9A-F]{6,}\b|\b\d+(\.\d+)? ?(ms|s|B|KiB|MiB|GiB)\b|epoch [\d,]+|bytes=\d+|127\.0\.0\.1:77\d\d|\b[0-9a-f]{12}\b`)

// spaces fill columns, whose widths go with what passes.
var spaces = regexp.MustCompile(` +`)

// steady is a text without what passes.
func steady(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(spaces.ReplaceAllString(passing.ReplaceAllString(line, "~"), " ")); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
