package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACheckoutHoldsTheCommitAndNothingElse(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	repository := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(repository, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		env := []string{"GIT_COMMITTER_DATE=1790000000 +0200", "GIT_AUTHOR_DATE=1780000000 +0200"}
		args = append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)
		if _, err := output(t.Context(), repository, env, "git", args...); err != nil {
			t.Fatal(err)
		}
	}
	write("page", "as committed")
	git("init", "--quiet")
	git("add", "page")
	git("commit", "--quiet", "-m", "first")
	write("page", "edited")
	write("note", "new")
	r, err := checkout(t.Context(), repository, "HEAD", filepath.Join(t.TempDir(), "source"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.read("page"); err != nil || string(got) != "as committed" {
		t.Errorf("the page is %q, %v", got, err)
	}
	if _, err := r.read("note"); !os.IsNotExist(err) {
		t.Errorf("a file that is in no commit: %v", err)
	}
	if r.differs != 2 || r.date.Unix() != 1790000000 {
		t.Errorf("%d files differ, the date is %s", r.differs, r.date)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	if r, err = checkout(t.Context(), repository, "HEAD", filepath.Join(t.TempDir(), "source")); err != nil || r.date.Unix() != 1700000000 {
		t.Errorf("SOURCE_DATE_EPOCH is not heard: %v", err)
	}
	if _, err := checkout(t.Context(), repository, "nobody", filepath.Join(t.TempDir(), "source")); err == nil {
		t.Error("a commit that is not there was found")
	}
}

func TestLicencesAreToldByTheirWords(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		{"MIT License\n\nPermission is hereby granted,\nfree of charge, to any person obtaining a copy", "MIT"},
		{"Redistribution and use in source and binary forms, with or\nwithout modification … Neither the name of Google", "BSD-3-Clause"},
		{"Redistribution and use in source and binary forms, with or without modification", "BSD-2-Clause"},
		{"Permission to use, copy, modify, and distribute this software for any purpose", "ISC"},
		{"Mozilla Public License Version 2.0", "MPL-2.0"},
		{"Apache License Version 2.0, January 2004 … Permission is hereby granted, free of charge, to any person obtaining", "Apache-2.0 MIT"},
		{"All rights reserved.", ""},
	} {
		if got := strings.Join(licencesIn(c.text), " "); got != c.want {
			t.Errorf("%.40q… is %q, want %q", c.text, got, c.want)
		}
	}
}

func TestAModuleWithoutTermsIsNotGivenAway(t *testing.T) {
	folder := t.TempDir()
	m := debug.Module{Path: "example.org/a", Version: "v1.0.0"}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ file, text string }{{"readme.md", "MIT"}, {"LICENSE", "Ask us."}} {
		write(c.file, c.text)
		if n, err := noticeOf(m, folder); err == nil {
			t.Errorf("with %s the licence is %s", c.file, n.licence)
		}
	}
	if _, err := noticeOf(m, ""); err == nil {
		t.Error("a module whose sources are not there has terms")
	}
	write("LICENSE", "Mozilla Public License Version 2.0")
	write("NOTICE.txt", "Made by a.\r\n")
	n, err := noticeOf(m, folder)
	if err != nil || n.licence != "MPL-2.0" {
		t.Fatalf("%s, %v", n.licence, err)
	}
	if diff := cmp.Diff([]string{"Mozilla Public License Version 2.0", "Made by a."}, n.texts); diff != "" {
		t.Error(diff)
	}
}

func TestABillNamesWhatABinaryWasMadeFrom(t *testing.T) {
	r, b := house(t)
	b.info.Settings = []debug.BuildSetting{{Key: "-compiler", Value: "gc"}, {Key: "vcs.revision", Value: "abc"}}
	made, err := r.bill(b, []notice{
		{Module: debug.Module{Path: "std", Version: "1.26.0"}, licence: "BSD-3-Clause"},
		{Module: debug.Module{Path: "example.org/a", Version: "v2.0.0+incompatible", Sum: "h1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="}, licence: "Apache-2.0 AND MIT"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got bill
	d := json.NewDecoder(bytes.NewReader(made))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := serial(sha256.Sum256(b.content)); got.Serial != want || len(got.Components) != 3 {
		t.Errorf("serial %s, %d components", got.Serial, len(got.Components))
	}
	want := component{Type: "library", Ref: "pkg:golang/example.org/a@v2.0.0%2Bincompatible", URL: "pkg:golang/example.org/a@v2.0.0%2Bincompatible", Name: "example.org/a",
		Version: "v2.0.0+incompatible", Licences: []licence{{Expression: "Apache-2.0 AND MIT"}},
		Hashes: []checksum{{"SHA-256", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"}}}
	if diff := cmp.Diff(want, got.Components[1]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]fact{{"freshet:build:vcs.revision", "abc"}}, got.Metadata.Component.Facts); diff != "" {
		t.Error(diff)
	}
	if _, err := r.bill(b, []notice{{Module: debug.Module{Path: "example.org/a", Sum: "h2:x"}, licence: "MIT"}}); err == nil {
		t.Error("a sum of an unknown kind was taken")
	}
}

// TestTwoBuildsAreTheSame builds the commit twice, with nothing in common but the compiler and the sources of modules.
func TestTwoBuildsAreTheSame(t *testing.T) {
	if os.Getenv("FRESHET_SOAK") != "1" {
		t.Skip("compiles everything twice; FRESHET_SOAK=1 runs it")
	}
	t.Chdir(filepath.Join("..", ".."))
	var seen []string
	for range 2 {
		t.Setenv("GOCACHE", t.TempDir())
		t.Setenv("TMPDIR", t.TempDir())
		into := filepath.Join(t.TempDir(), "dist")
		if err := run(t.Context(), []string{"-targets", "linux/amd64,darwin/arm64", "-out", into}, io.Discard); err != nil {
			t.Fatal(err)
		}
		sums, err := os.ReadFile(filepath.Join(into, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(sums))
	}
	if diff := cmp.Diff(seen[0], seen[1]); diff != "" || strings.Count(seen[0], "\n") != 5 {
		t.Errorf("%s\n%s", diff, seen[0])
	}
}
