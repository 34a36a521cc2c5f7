package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

// tree is what an archive holds: entries by their path, without a slash at either end.
type tree map[string]entry

// entry is a file, or a folder with nothing but a mode.
type entry struct {
	mode    fs.FileMode
	content []byte
}

// file adds a file, and the folders above it where they are missing.
func (t tree) file(name string, mode fs.FileMode, content []byte) {
	t[name] = entry{mode, content}
	t.above(name)
}

// folder adds a folder, and those above it where they are missing.
func (t tree) folder(name string, mode fs.FileMode) {
	t[name] = entry{mode: mode | fs.ModeDir}
	t.above(name)
}

func (t tree) above(name string) {
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if _, known := t[at]; !known {
			t[at] = entry{mode: 0o755 | fs.ModeDir}
		}
	}
}

// tarball is the tree as tar and gzip, each entry of root and dated at.
func (t tree) tarball(at time.Time) ([]byte, error) { return t.packed("", at) }

// packed is a tarball whose paths begin with a prefix.
func (t tree) packed(prefix string, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if prefix != "" {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: prefix, Mode: 0o755, Uname: "root", Gname: "root", ModTime: at, Format: tar.FormatGNU}); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		e := t[name]
		h := &tar.Header{Typeflag: tar.TypeReg, Name: prefix + name, Mode: int64(e.mode.Perm()), Size: int64(len(e.content)),
			Uname: "root", Gname: "root", ModTime: at, Format: tar.FormatGNU}
		if e.mode.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return gzipped(out.Bytes())
}

// gzipped is a file as gzip holds it, without name and time.
func gzipped(content []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
