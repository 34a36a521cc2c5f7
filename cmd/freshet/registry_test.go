package main

import (
	"bytes"
	"os"
	"path/filepath"
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
	if page := flowfile.Reference(registry()); !bytes.Contains(page, []byte("### files")) {
		t.Error("the reference lacks the source files")
	}
}

// TestTheReferenceIsMadeOfTheCode holds the page of flow files to what is decoded.
func TestTheReferenceIsMadeOfTheCode(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "flow-files.md")
	got := flowfile.Reference(registry())
	if *update {
		if err := os.WriteFile(page, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); `go test ./cmd/freshet -run TestTheReference -update` rewrites it:\n%s", page, diff)
	}
}

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
	visit(newRoot(&console{}))
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
