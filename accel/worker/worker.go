// Package worker brings the Python module freshet_worker, with which a program becomes a worker: it serves its
// functions, or a model, to flows. The module lies beside this file; the binary carries a copy, so that a
// program which a flow starts finds it although nobody has installed it.
//
// It imports none of Freshet's packages.
package worker

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed freshet_worker/*.py
var module embed.FS

// Unpack writes the module below a folder, which it makes, and returns what PYTHONPATH has to name. The name
// of that place is made of what the module holds: it is written once, and never changed.
func Unpack(dir string) (string, error) {
	files, sum, err := list()
	if err != nil {
		return "", err
	}
	place := filepath.Join(dir, "freshet_worker-"+sum)
	if _, err := os.Stat(place); err == nil {
		return place, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("unpack module: %w", err)
	}
	making, err := os.MkdirTemp(dir, "unpacking-")
	if err != nil {
		return "", fmt.Errorf("unpack module: %w", err)
	}
	for name, text := range files {
		path := filepath.Join(making, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			return "", errors.Join(fmt.Errorf("unpack module: %w", err), os.RemoveAll(making))
		}
	}
	err = os.Rename(making, place)
	if err == nil {
		return place, nil
	}
	err = errors.Join(err, os.RemoveAll(making))
	if _, there := os.Stat(place); there == nil {
		return place, nil // somebody else was as quick
	}
	return "", fmt.Errorf("unpack module: %w", err)
}

// list reads the files of the module, and makes a name of what they hold.
func list() (map[string][]byte, string, error) {
	files := map[string][]byte{}
	h := sha256.New()
	err := fs.WalkDir(module, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := module.ReadFile(path)
		files[path] = text
		fmt.Fprintf(h, "%s %d\n", path, len(text))
		h.Write(text)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("read module: %w", err)
	}
	return files, hex.EncodeToString(h.Sum(nil)[:8]), nil
}
