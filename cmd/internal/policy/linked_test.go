package policy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cmd/internal/policy"
)

// TestTheBinaryLinksNoTestCode asks the toolchain what the binary is made of, without C.
func TestTheBinaryLinksNoTestCode(t *testing.T) {
	for _, linked := range goList(t, "-deps", "./cmd/freshet") {
		own := strings.HasPrefix(linked, "github.com/freshet/freshet/")
		switch {
		case own && strings.HasSuffix(linked, "test"),
			slices.Contains([]string{"testing", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp/cmp"}, linked):
			t.Errorf("cmd/freshet links %s; move what it needs out of the package for tests (`go list -deps ./cmd/freshet` shows it)", linked)
		}
	}
}

// TestTheHouseReadsWhatTheToolchainBuilds compares the packages that the rules see with those that go builds.
func TestTheHouseReadsWhatTheToolchainBuilds(t *testing.T) {
	house, err := policy.ReadHouse(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, s := range house.Sources {
		seen["github.com/freshet/freshet/"+s.Room] = true
	}
	var unseen []string
	for _, built := range goList(t, "./...") {
		if !seen[built] {
			unseen = append(unseen, built)
		}
	}
	if diff := cmp.Diff([]string(nil), unseen); diff != "" {
		t.Errorf("packages that no rule has seen (-want +got):\n%s", diff)
	}
}

func goList(t *testing.T, arguments ...string) []string {
	t.Helper()
	command := exec.Command("go", append([]string{"list"}, arguments...)...)
	command.Dir = root(t)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(arguments, " "), err, complaints.String())
	}
	return strings.Fields(string(out))
}
