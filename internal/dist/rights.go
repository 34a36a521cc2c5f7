package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// notice is a module that is linked into a binary, with its terms.
type notice struct {
	debug.Module
	licence string // an expression of SPDX
	texts   []string
}

// notices finds the terms of everything that a binary was linked from, the standard library first.
func (r *release) notices(ctx context.Context, b *binary) ([]notice, error) {
	goroot, err := output(ctx, r.folder, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	version := b.info.GoVersion
	if version != runtime.Version() {
		return nil, fmt.Errorf("built by %s, and the licence at hand is that of %s", version, runtime.Version())
	}
	library, err := noticeOf(debug.Module{Path: "std", Version: strings.TrimPrefix(version, "go")}, goroot)
	if err != nil {
		return nil, err
	}
	folders, err := r.moduleFolders(ctx, b)
	if err != nil {
		return nil, err
	}
	found := []notice{library}
	for _, m := range b.info.Deps {
		if m.Replace != nil {
			return nil, fmt.Errorf("module %s is replaced: its terms are not known", m.Path)
		}
		n, err := noticeOf(*m, folders[m.Path])
		if err != nil {
			return nil, err
		}
		found = append(found, n)
	}
	return found, nil
}

// moduleFolders says where the sources of modules lie, by their path.
func (r *release) moduleFolders(ctx context.Context, b *binary) (map[string]string, error) {
	args := []string{"list", "-m", "-json=Path,Dir"}
	for _, m := range b.info.Deps {
		args = append(args, m.Path)
	}
	said, err := output(ctx, r.folder, []string{"GOFLAGS="}, "go", args...)
	if err != nil {
		return nil, err
	}
	folders := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(said)); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of modules: %w", err)
		}
		folders[m.Path] = m.Dir
	}
}

// noticeOf reads the terms that lie in the folder of a module.
func noticeOf(m debug.Module, folder string) (notice, error) {
	n := notice{Module: m}
	if folder == "" {
		return n, fmt.Errorf("the sources of %s are not at hand; run `go mod download`", m.Path)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return n, err
	}
	terms := regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|notice)([.-].*)?$`)
	var licences []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !terms.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return n, err
		}
		n.texts = append(n.texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
		licences = append(licences, licencesIn(string(text))...)
	}
	slices.Sort(licences)
	if n.licence = strings.Join(slices.Compact(licences), " AND "); n.licence == "" {
		return n, fmt.Errorf("no licence that is known lies in %s", m.Path)
	}
	return n, nil
}

// marks are words that stand in a licence and in no other, by its name in SPDX; one of them is enough. The two licences of
// BSD are told apart by what only the longer one says.
func marks() map[string][]string {
	return map[string][]string{
		"Apache-2.0": {"apache license version 2.0, january 2004", "licensed under the apache license, version 2.0"},
		"CC0-1.0":    {"cc0 1.0 universal"},
		"ISC":        {"permission to use, copy, modify, and distribute this software", "permission to use, copy, modify, and/or distribute this software"},
		"MIT":        {"permission is hereby granted, free of charge, to any person obtaining"},
		"MPL-2.0":    {"mozilla public license version 2.0", "mozilla public license, version 2.0"},
		"Unlicense":  {"free and unencumbered software released into the public domain"},
	}
}

// licencesIn names the licences whose words stand in a text.
func licencesIn(text string) []string {
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	var found []string
	for name, words := range marks() {
		if slices.ContainsFunc(words, func(mark string) bool { return strings.Contains(plain, mark) }) {
			found = append(found, name)
		}
	}
	if strings.Contains(plain, "redistribution and use in source and binary forms") {
		if strings.Contains(plain, "neither the name") {
			found = append(found, "BSD-3-Clause")
		} else {
			found = append(found, "BSD-2-Clause")
		}
	}
	slices.Sort(found)
	return found
}

// modelPage says where the model comes from that is carried along, and whose its parts are.
const modelPage = "accel/builtin/distil/README.md"

// rights is the file of terms that goes along with a binary: of the model that it carries, and of every module. Modules
// of the same words share them.
func (r *release) rights(notices []notice) ([]byte, error) {
	page, err := r.read(modelPage)
	if err != nil {
		return nil, err
	}
	_, model, ok := strings.Cut(string(page), "\n## Rights\n")
	if !ok {
		return nil, fmt.Errorf("%s says nothing of rights", modelPage)
	}
	model = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(strings.TrimSpace(model), "$1")
	var out bytes.Buffer
	fmt.Fprintf(&out, "Freshet is under the Apache License 2.0, in the file LICENSE. This is what else is in its binary.\n\n"+
		"The built-in model\n==================\n\n%s\n", model)
	whose := make(map[string][]string)
	var order []string
	for _, n := range notices {
		for _, text := range n.texts {
			if whose[text] == nil {
				order = append(order, text)
			}
			whose[text] = append(whose[text], n.Path+" "+n.Version)
		}
	}
	for _, text := range order {
		names := strings.Join(whose[text], "\n")
		fmt.Fprintf(&out, "\n\n%s\n%s\n\n%s\n", names, strings.Repeat("=", 78), text)
	}
	return out.Bytes(), nil
}
