package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// house is the repository as a release, with a binary that is only a name.
func house(t *testing.T) (*release, *binary) {
	t.Helper()
	r := &release{folder: filepath.Join("..", ".."), commit: strings.Repeat("0", 40), date: time.Unix(1790000000, 0).UTC()}
	b := &binary{target{"linux", "arm64"}, []byte("a program\n"), &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/freshet", Version: "v1.2.3-rc.1"}}}
	return r, b
}

func TestTheSameCommitGivesTheSameBytes(t *testing.T) {
	r, b := house(t)
	library := []notice{{Module: debug.Module{Path: "example.org/a", Version: "v1.0.0", Sum: "h1:AAAA"}, licence: "MIT", texts: []string{"MIT License"}}}
	for name, made := range map[string]func() ([]byte, error){
		"an archive":          func() ([]byte, error) { return r.archive(b, []byte("terms"), "freshet") },
		"a package":           func() ([]byte, error) { return r.deb(b, []byte("terms")) },
		"a bill of materials": func() ([]byte, error) { return r.bill(b, library) },
		"the terms":           func() ([]byte, error) { return r.rights(library) },
	} {
		first, err := made()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := made()
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("%s: %d bytes, then %d others, %v", name, len(first), len(again), err)
		}
	}
}

func TestThePackageHoldsWhatItsUnitNames(t *testing.T) {
	r, b := house(t)
	made, err := r.deb(b, []byte("terms"))
	if err != nil {
		t.Fatal(err)
	}
	parts := members(t, made)
	if got := string(parts["debian-binary"]); got != "2.0\n" {
		t.Errorf("debian-binary says %q", got)
	}
	control, content := unpack(t, parts["control.tar.gz"]), unpack(t, parts["data.tar.gz"])
	fields := string(control["control"].content)
	for _, line := range []string{"Package: freshet", "Version: 1.2.3~rc.1", "Architecture: arm64"} {
		if !strings.Contains("\n"+fields, "\n"+line+"\n") {
			t.Errorf("the control file has no line %q:\n%s", line, fields)
		}
	}
	if strings.Contains(fields, "@kib@") || strings.Contains(fields, "@version@") {
		t.Errorf("the control file is not filled in:\n%s", fields)
	}
	if got := string(control["conffiles"].content); got != "/etc/default/freshet\n" {
		t.Errorf("conffiles are %q", got)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if control[script].mode != 0o755 {
			t.Errorf("%s has mode %o", script, control[script].mode)
		}
	}

	unit := string(content["usr/lib/systemd/system/freshet@.service"].content)
	has := func(name, what string) {
		if _, ok := content[strings.TrimPrefix(path.Clean(name), "/")]; !ok {
			t.Errorf("the unit names %s as %s, and the package does not hold it", name, what)
		}
	}
	has(setting(t, unit, `ExecStart=(\S+) run`), "the program")
	has(setting(t, unit, `EnvironmentFile=-(/etc/default/\S+)`), "its settings")
	has(path.Dir(setting(t, unit, `AssertPathExists=(\S+)`)), "the folder of flows")
	has(setting(t, unit, `Documentation=file://(\S+)`), "what there is to read")
	state := "/var/lib/" + path.Dir(setting(t, unit, `StateDirectory=(\S+)`))
	has(state, "the folder of states")
	if got := setting(t, unit, `--state (\S+)/%i `); got != state {
		t.Errorf("the state lies in %s, and systemd makes %s", got, state)
	}
	user := setting(t, unit, `User=(\S+)`)
	if made := string(content["usr/lib/sysusers.d/freshet.conf"].content); !strings.HasPrefix(made, "u "+user+" ") {
		t.Errorf("the unit runs as %s, and the package makes %q", user, made)
	}
	if e := content["usr/bin/freshet"]; e.mode != 0o755 || string(e.content) != "a program\n" {
		t.Errorf("the program is %q with mode %o", e.content, e.mode)
	}
}

// setting is the first group of a pattern in the unit.
func setting(t *testing.T, unit, pattern string) string {
	t.Helper()
	found := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(unit)
	if found == nil {
		t.Fatalf("the unit has nothing like %s", pattern)
	}
	return found[1]
}

// members cuts a package into its parts.
func members(t *testing.T, deb []byte) map[string][]byte {
	t.Helper()
	rest, ok := bytes.CutPrefix(deb, []byte("!<arch>\n"))
	if !ok {
		t.Fatal("the package is no archive of ar")
	}
	parts := make(map[string][]byte)
	for len(rest) > 0 {
		head := string(rest[:60])
		size, err := strconv.Atoi(strings.TrimSpace(head[48:58]))
		if err != nil || head[58:] != "`\n" {
			t.Fatalf("a member begins with %q", head)
		}
		parts[strings.TrimSpace(head[:16])] = rest[60 : 60+size]
		rest = rest[60+size+size%2:]
	}
	return parts
}

// unpack reads a tarball; its paths become plain ones.
func unpack(t *testing.T, packed []byte) tree {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	found := tree{}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1790000000 {
			t.Errorf("%s is of %d:%d at %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		name := path.Clean(h.Name)
		if above := path.Dir(name); above != "." && found[above].mode == 0 {
			t.Errorf("%s comes before the folder that it lies in", name)
		}
		found[name] = entry{os.FileMode(h.Mode), content}
	}
}

func TestVersionsStandInDebiansOrder(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3":                               "1.2.3",
		"v1.2.3-rc.1":                          "1.2.3~rc.1",
		"v0.0.0-20261123042818-e1235da0f2c7":   "0.0.0~20261123042818.e1235da0f2c7",
		"v1.2.4-0.20261123042818-e1235da0f2c7": "1.2.4~0.20261123042818.e1235da0f2c7",
	} {
		if got := debVersion(version); got != want {
			t.Errorf("%s is %s, want %s", version, got, want)
		}
	}
}

func TestTreesHaveEveryFolderAboveAFile(t *testing.T) {
	a, b := tree{}, tree{}
	a.file("b/c/d", 0o644, []byte("d"))
	a.folder("b", 0o700)
	b.folder("b", 0o700)
	b.file("b/c/d", 0o644, []byte("d"))
	if diff := cmp.Diff(fmt.Sprint(a), fmt.Sprint(b)); diff != "" {
		t.Error(diff)
	}
	packed, err := b.tarball(time.Unix(1790000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, e := range unpack(t, packed) {
		names = append(names, fmt.Sprintf("%s %o", name, e.mode))
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"b 700", "b/c 755", "b/c/d 644"}, names); diff != "" {
		t.Error(diff)
	}
}
