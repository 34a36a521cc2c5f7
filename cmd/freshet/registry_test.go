package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/flowfile"
)

func TestEveryKindCanBeDecodedAndIsDocumented(t *testing.T) {
	if err := registry().Check(); err != nil {
		t.Error(err)
	}
	for page, kind := range map[string]string{"sources": "files", "operators": "embed", "sinks": "vector", "models": "openai"} {
		if part := flowfile.Reference(registry())[page]; !bytes.Contains(part, []byte("## "+kind+"\n")) {
			t.Errorf("the reference of %s lacks %s", page, kind)
		}
	}
}

// madeFromHere is the line of a page below which it is made from the code.
const madeFromHere = "<!-- From here on made from the code by `go test ./cmd/freshet -run TestTheReference -update`. -->\n\n"

// TestTheReferenceIsMadeOfTheCode holds the ends of the pages of flow files to what is decoded, and has the words before them name
// every kind.
func TestTheReferenceIsMadeOfTheCode(t *testing.T) {
	for name, part := range flowfile.Reference(registry()) {
		page := filepath.Join("..", "..", "docs", name+".md")
		want, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		head, _, ok := strings.Cut(string(want), madeFromHere)
		if !ok {
			t.Fatalf("%s has no line %q", page, madeFromHere)
		}
		got := head + madeFromHere + string(part) + "\n"
		if *update {
			if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs (-want +got); `go test ./cmd/freshet -run TestTheReference -update` rewrites it:\n%s", page, diff)
		}
		for _, kind := range kindHeads.FindAllStringSubmatch(string(part), -1) {
			if name != "flow-files" && !strings.Contains(head, "`"+kind[1]+"`") {
				t.Errorf("%s does not introduce `%s` before its tables", page, kind[1])
			}
		}
	}
}

// TestTheReferenceForEditorsIsMadeOfTheCode holds the schema of flow files that editors complete by.
func TestTheReferenceForEditorsIsMadeOfTheCode(t *testing.T) {
	golden(t, "../../../docs/flow.schema.json", string(flowfile.Schema(registry())))
}

// kindHeads are the headings of kinds: a word in small letters.
var kindHeads = regexp.MustCompile(`(?m)^## ([a-z0-9]+)$`)

// TestHelp holds the help of every verb to a golden file, so that a change of the surface is seen.
func TestHelp(t *testing.T) {
	golden := filepath.Join("testdata", "help.golden")
	var got bytes.Buffer
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		got.WriteString("-- " + cmd.CommandPath() + " --\n")
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		var stderr bytes.Buffer
		if code := execute(args, &got, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%s --help: exit %d, %s", cmd.CommandPath(), code, stderr.String())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&cli{}))
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("help differs (-want +got); `go test -run TestHelp -update` rewrites it:\n%s", diff)
	}
}

func TestEnvelopeIsOneLineAndItsTextIsUntouched(t *testing.T) {
	var out, errs bytes.Buffer
	code := execute([]string{"run", "--json", "flow.yaml", "<&>"}, &out, &errs)
	want := `{"ok":false,"data":null,"error":{"code":"usage","message":"freshet run: \"<&>\" is one argument too many",` +
		`"hint":"write ` + "`freshet run FLOW [flags]`" + `"}}` + "\n"
	if code != exitUsage || errs.Len() > 0 {
		t.Errorf("exit %d, stderr %q; want exit 2 and silence", code, errs.String())
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("envelope differs (-want +got):\n%s", diff)
	}
}
