// Package realpath gives every spelling of a path the same name, for the lock of a state and for the folder that is read alike.
// It imports none of Freshet's packages.
package realpath

import "path/filepath"

// Of is the absolute path without symbolic links in the part of it that is there; the rest is still to be made. Where the
// working directory is not known, it is the path as it was given.
func Of(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for there, rest := abs, ""; ; {
		if real, err := filepath.EvalSymlinks(there); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(there)
		if parent == there {
			return abs
		}
		there, rest = parent, filepath.Join(filepath.Base(there), rest)
	}
}
