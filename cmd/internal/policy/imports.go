package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Imports holds every import of every file, whatever its build tags, against [Rooms].
func Imports(h *House) []Finding {
	table := make(map[string]Room)
	for _, room := range Rooms() {
		table[room.Path] = room
	}
	var findings []Finding
	for _, name := range h.rooms() {
		if room, ok := table[name]; !ok {
			findings = append(findings, Finding{
				Path: name,
				What: "package without a row in the table of rooms",
				Fix:  "add one to Rooms in cmd/internal/policy, with what it may import and why it exists",
			})
		} else if room.Why == "" {
			findings = append(findings, Finding{Path: name, What: "row of the table of rooms without a reason", Fix: "fill in Why"})
		}
	}
	for _, s := range h.Sources {
		room, ok := table[s.Room]
		if !ok {
			continue
		}
		for _, spec := range s.Syntax.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil || room.mayImport(target, s.Test) {
				continue
			}
			what, fix := verdict(room, target, s.Test)
			findings = append(findings, h.at(s, spec.Pos(), what, fix))
		}
	}
	return findings
}

func (r Room) mayImport(target string, test bool) bool {
	own, isOwn := ownRoom(target)
	switch {
	case isOwn && own == r.Path:
		return test
	case isOwn && covers(r.Rooms, own):
		return true
	case isOwn:
		return test && covers(r.Tests, own)
	case target == "C":
		return false
	case isStandard(target):
		return true
	case below(r.Modules, target):
		return true
	}
	return test && below(testModules(), target)
}

func verdict(r Room, target string, test bool) (what, fix string) {
	own, isOwn := ownRoom(target)
	who := r.Path
	if test {
		who = "a test of " + r.Path
	}
	switch {
	case target == "C":
		return r.Path + " uses cgo", "the binary is built with CGO_ENABLED=0: use Go or assembly"
	case isOwn:
		return fmt.Sprintf("%s may not import %s", who, own),
			"declare the interface here and let cmd wire it, or move the code to the room that owns it"
	}
	return fmt.Sprintf("%s may not import %s", who, target),
		"use the room that already wraps it or the standard library; if it must be, widen the row and give the reason in the commit"
}

// ownRoom gives the folder of one of our packages.
func ownRoom(target string) (string, bool) {
	if target == modulePath {
		return ".", true
	}
	return strings.CutPrefix(target, modulePath+"/")
}

// isStandard reports whether a path belongs to the standard library: its first element has no dot.
func isStandard(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return !strings.Contains(first, ".")
}

// covers matches a room against patterns such as "a", "a/..." and "...".
func covers(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, all := strings.CutSuffix(p, "...")
		base = strings.TrimSuffix(base, "/")
		return room == base || all && (base == "" || strings.HasPrefix(room, base+"/"))
	})
}

// below reports whether target is one of the paths or lies below one.
func below(paths []string, target string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return target == p || strings.HasPrefix(target, p+"/") })
}
