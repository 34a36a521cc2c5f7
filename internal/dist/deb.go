package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// debian is the folder of what the package has beside the binary and the pages: scripts, and files as they are installed.
const debian = "internal/dist/debian/"

// Who packs it and where it lives, as package managers show it.
const (
	maintainer = "The Freshet Authors <freshet@users.noreply.github.com>"
	homepage   = "https://github.com/freshet/freshet"
)

// debVersion is a version in Debian's order: a pre-release and a commit without a tag come before what they lead to.
func debVersion(version string) string {
	released, before, ok := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	if !ok {
		return released
	}
	return released + "~" + strings.ReplaceAll(before, "-", ".")
}

func debName(b *binary) string {
	return "freshet_" + debVersion(b.version()) + "_" + b.processor + ".deb"
}

// deb is the package of a binary for Debian and its kin. Go's names of processors are Debian's.
func (r *release) deb(b *binary, rights []byte) ([]byte, error) {
	content, err := r.installed(b, rights)
	if err != nil {
		return nil, err
	}
	control, err := r.control(content, debVersion(b.version()), b.processor)
	if err != nil {
		return nil, err
	}
	return ar(control, content, r.date)
}

// installed is what the package puts onto a machine.
func (r *release) installed(b *binary, rights []byte) (tree, error) {
	t := tree{}
	t.file("usr/bin/freshet", 0o755, b.content)
	t.folder("etc/freshet", 0o755) // the scripts close both to others, once the user is there
	t.folder("var/lib/freshet", 0o755)
	unit, err := r.read("docs/deploy/freshet@.service")
	if err != nil {
		return nil, err
	}
	t.file("usr/lib/systemd/system/freshet@.service", 0o644, unit)
	for file, at := range map[string]string{"default": "etc/default/freshet", "sysusers": "usr/lib/sysusers.d/freshet.conf",
		"lintian": "usr/share/lintian/overrides/freshet", "copyright": docs + "copyright"} {
		content, err := r.read(debian + file)
		if err != nil {
			return nil, err
		}
		t.file(at, 0o644, content)
	}
	if err := r.pages(t); err != nil {
		return nil, err
	}
	news := fmt.Sprintf("freshet (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz beside this file.\n\n -- %s  %s\n",
		debVersion(b.version()), maintainer, r.date.Format(time.RFC1123Z))
	for name, content := range map[string][]byte{"changelog.gz": []byte(news), "NOTICES.gz": rights} {
		packed, err := gzipped(content)
		if err != nil {
			return nil, err
		}
		t.file(docs+name, 0o644, packed)
	}
	return t, nil
}

// docs is where Debian looks for what there is to read about the package.
const docs = "usr/share/doc/freshet/"

// pages puts what there is to read beside each other as the repository has it, so that links hold.
func (r *release) pages(t tree) error {
	source := os.DirFS(r.folder)
	return fs.WalkDir(source, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && name != "docs" && !strings.HasPrefix(name, "docs/"):
			return fs.SkipDir
		case e.IsDir() || path.Dir(name) == "." && path.Ext(name) != ".md":
			return nil
		}
		content, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		if name == "CHANGELOG.md" {
			name += ".gz"
			if content, err = gzipped(content); err != nil {
				return err
			}
		}
		t.file(docs+name, 0o644, content)
		return nil
	})
}

// control is what the package manager reads.
func (r *release) control(content tree, version, processor string) (tree, error) {
	var sums, conffiles strings.Builder
	kib := 0
	for _, name := range slices.Sorted(maps.Keys(content)) {
		e := content[name]
		kib++ // a folder, or the last block of a file
		if e.mode.IsDir() {
			continue
		}
		kib += len(e.content) >> 10
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(e.content), name)
		if strings.HasPrefix(name, "etc/") {
			fmt.Fprintf(&conffiles, "/%s\n", name)
		}
	}
	head, err := r.read(debian + "control")
	if err != nil {
		return nil, err
	}
	filled := strings.NewReplacer("@version@", version, "@processor@", processor, "@kib@", fmt.Sprint(kib), "@maintainer@", maintainer,
		"@homepage@", homepage).Replace(string(head))
	t := tree{}
	t.file("control", 0o644, []byte(filled))
	t.file("md5sums", 0o644, []byte(sums.String()))
	t.file("conffiles", 0o644, []byte(conffiles.String()))
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		text, err := r.read(debian + script)
		if err != nil {
			return nil, err
		}
		t.file(script, 0o755, text)
	}
	return t, nil
}

// ar puts the parts of a package together: deb(5), which is ar(5) with three members.
func ar(control, content tree, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	member := func(name string, content []byte) {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, at.Unix(), 0, 0, "100644", len(content))
		out.Write(content)
		if len(content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	for _, part := range []struct {
		name    string
		content tree
	}{{"control.tar.gz", control}, {"data.tar.gz", content}} {
		packed, err := part.content.packed("./", at)
		if err != nil {
			return nil, err
		}
		member(part.name, packed)
	}
	return out.Bytes(), nil
}
