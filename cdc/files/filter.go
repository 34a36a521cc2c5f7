package files

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/freshet/freshet/cdc"
)

// filter decides by the relative path which files are rows and which directories may hold some.
type filter struct {
	include, exclude []string
	bases            []string // of each include: the directory before its first wildcard, "." for any
	pruned           []string // excludes that end in /**, which cover whole directories
	own              []string // files and directories of whoever reads the folder: neither they nor what lies below is a row
}

func newFilter(include, exclude []string) (filter, error) {
	var faults []error
	check := func(option string, patterns []string) {
		for _, p := range patterns {
			if hint := unfit(p); hint != "" {
				faults = append(faults, &cdc.OptionError{Option: option, Err: fmt.Errorf("%q cannot match any file", p), Hint: hint})
			}
		}
	}
	check("include", include)
	check("exclude", exclude)
	f := filter{include: include, exclude: exclude}
	for _, p := range include {
		base, _ := doublestar.SplitPattern(p)
		f.bases = append(f.bases, base)
	}
	for _, p := range exclude {
		if p == "**" || strings.HasSuffix(p, "/**") {
			f.pruned = append(f.pruned, p)
		}
	}
	return f, errors.Join(faults...)
}

// unfit gives the advice for a glob that cannot match a relative path.
func unfit(pattern string) string {
	switch {
	case pattern == "":
		return "leave it out, or name files such as **/*.md"
	case len(pattern) > 1 && strings.HasSuffix(pattern, "/"):
		return "globs match files: write " + pattern + "** for all below a directory"
	case strings.HasPrefix(pattern, "/"), strings.HasPrefix(pattern, "./"), pattern == "..", strings.HasPrefix(pattern, "../"),
		path.Clean(pattern) != pattern:
		return "write the glob relative to the folder, without a leading / or ./ and without . or .. inside, such as **/*.md"
	case !doublestar.ValidatePattern(pattern):
		return "close every [ and {, and write a literal one as \\[ or \\{"
	}
	return ""
}

// keeps reports whether the file at rel is a row.
func (f *filter) keeps(rel string) bool {
	if f.owns(rel) {
		return false
	}
	for _, p := range f.exclude {
		if doublestar.MatchUnvalidated(p, rel) {
			return false
		}
	}
	for _, p := range f.include {
		if doublestar.MatchUnvalidated(p, rel) {
			return true
		}
	}
	return len(f.include) == 0
}

// enters reports whether the directory at rel may hold files that are rows.
func (f *filter) enters(rel string) bool {
	if f.owns(rel) {
		return false
	}
	for _, p := range f.pruned {
		if doublestar.MatchUnvalidated(p, rel) {
			return false
		}
	}
	for _, base := range f.bases {
		if base == "." || within(rel, base) || within(base, rel) {
			return true
		}
	}
	return len(f.bases) == 0
}

// owns reports whether rel is, or lies below, what the reader itself writes.
func (f *filter) owns(rel string) bool {
	return slices.ContainsFunc(f.own, func(own string) bool { return within(rel, own) })
}

// within reports whether rel is dir or lies below it.
func within(rel, dir string) bool {
	return strings.HasPrefix(rel, dir) && (len(rel) == len(dir) || rel[len(dir)] == '/')
}
