package files

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzName(f *testing.F) {
	for _, s := range []string{"a.md", "caf\xe9.md", "d/\\x41/\xff", "日本/\xf0\x9f", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rel string) {
		name := nameOf(rel)
		if !utf8.ValidString(name) {
			t.Fatalf("name %q of %q is no UTF-8", name, rel)
		}
		if utf8.ValidString(rel) {
			if name != rel {
				t.Fatalf("name %q of %q", name, rel)
			}
			return
		}
		if !strings.HasPrefix(name, oddPrefix) {
			t.Fatalf("name %q of %q could be a file's", name, rel)
		}
		if back, err := relOf(name); err != nil || back != rel {
			t.Fatalf("name %q of %q stands for %q: %v", name, rel, back, err)
		}
	})
}

func FuzzRelOf(f *testing.F) {
	f.Add(`./\xE9`)
	f.Add(`./\x`)
	f.Add(`./\\\`)
	f.Fuzz(func(t *testing.T, name string) {
		rel, err := relOf(name)
		if err == nil && !strings.HasPrefix(name, oddPrefix) && rel != name {
			t.Errorf("%q stands for %q", name, rel)
		}
	})
}
