package policy

import (
	"regexp"
	"strings"
)

// helpFile holds the help of every verb, as a test of the binary keeps it.
const helpFile = "cmd/freshet/testdata/help.golden"

var (
	helpHead = regexp.MustCompile(`^ ?-- freshet ?(.*) --$`)
	helpFlag = regexp.MustCompile(`^ +(?:-\w, )?(--[a-z-]+)`)
	// called is a verb as a page has it typed, where a command may begin, up to what ends one.
	called     = regexp.MustCompile(`(?:^ *|[$(;|&!/] ?|\b(?:until|while|if|then|do|exec|time|sudo(?: -u \S+)?) )freshet ([a-z]+)((?: [^;|&#>]*)?)`)
	calledFlag = regexp.MustCompile(`(?:^|\s)(--[a-z-]+)`)
	inline     = regexp.MustCompile("`([^`]+)`")
)

// Commands asks every verb and every flag that a page has typed to be one of the binary's.
func Commands(h *House) []Finding {
	help, ok := h.text(helpFile)
	if !ok {
		return nil // a house without a binary
	}
	verbs := verbsOf(help)
	var findings []Finding
	for _, t := range h.pages() {
		for _, b := range t.blocks() {
			for n, line := range b.lines {
				for _, typed := range typedIn(b, line) {
					for _, what := range unknown(verbs, typed) {
						findings = append(findings, Finding{Path: t.Path, Line: b.line + n, What: what, Fix: "write what `freshet --help` has"})
					}
				}
			}
		}
	}
	return findings
}

// verbsOf reads the flags of every verb; that of the binary itself is "".
func verbsOf(help *Text) map[string]map[string]bool {
	verbs := map[string]map[string]bool{}
	var flags map[string]bool
	for _, line := range help.Lines {
		if m := helpHead.FindStringSubmatch(line); m != nil {
			flags = map[string]bool{}
			verbs[m[1]] = flags
		} else if m := helpFlag.FindStringSubmatch(line); m != nil && flags != nil {
			flags[m[1]] = true
		}
	}
	return verbs
}

// typedIn are the parts of a line that are typed: all of it in a fence of a shell or of none, else what stands as code.
func typedIn(b block, line string) []string {
	if b.fence {
		if b.language == "" || b.language == "sh" || b.language == "text" {
			return []string{line}
		}
		return nil
	}
	var parts []string
	for _, m := range inline.FindAllStringSubmatch(line, -1) {
		parts = append(parts, m[1])
	}
	return parts
}

// unknown names the verbs and flags of what is typed that there are not.
func unknown(verbs map[string]map[string]bool, typed string) []string {
	var found []string
	for _, m := range called.FindAllStringSubmatch(typed, -1) {
		verb, rest := m[1], m[2]
		if verb == "freshet" {
			continue // a user or an image of that name
		}
		if words := strings.Fields(rest); len(words) > 0 && verbs[verb+" "+words[0]] != nil {
			verb += " " + words[0]
		}
		flags, ok := verbs[verb]
		if !ok && verb != "completion" && verb != "help" {
			found = append(found, "the verb `freshet "+verb+"`, which there is not")
			continue
		}
		for _, f := range calledFlag.FindAllStringSubmatch(rest, -1) {
			if !flags[f[1]] {
				found = append(found, "the flag "+f[1]+" of `freshet "+verb+"`, which there is not")
			}
		}
	}
	return found
}
