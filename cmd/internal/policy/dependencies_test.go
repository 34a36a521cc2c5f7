package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cmd/internal/policy"
)

// TestThePageOfDependenciesIsTheTable writes docs/dependencies.md anew with -update.
func TestThePageOfDependenciesIsTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Dependencies

What Freshet stands on besides the standard library, and what each module saves it from writing. The page is made from
the table in ` + "`cmd/internal/policy/modules.go`" + `, which a test holds against go.mod: a module that is not in it, or that
nobody imports any more, fails the build.

| module | why |
|---|---|
`)
	for _, m := range policy.Allowed() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", m.Path, m.Why)
	}
	b.WriteString(`
Rows that begin with "tests:" are linked into no binary. ` + "`go version -m`" + ` lists what a binary was built from, versions and
checksums included; ` + "`make modules`" + ` checks what was downloaded against go.sum, and ` + "`make lint`" + ` runs govulncheck where it is
installed.
`)
	path := filepath.Join(root(t), "docs/dependencies.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/dependencies.md is not what the table says; run this test with -update (-want +got):\n%s", diff)
	}
}
