package policy

import (
	"slices"
	"strings"
)

// Layout keeps the root to the folders and files that a visitor expects, and folders free of drawers.
func Layout(h *House) []Finding {
	folders := []string{".ci", "accel", "backpressure", "benchmarks", "cdc", "cmd", "docs", "examples", "internal", "operators", "sinks", "statestore", "stream"}
	files := []string{".gitignore", ".golangci.yml", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum"}
	var findings []Finding
	for _, folder := range h.Folders {
		if folder != "." && !strings.Contains(folder, "/") && !slices.Contains(folders, folder) {
			findings = append(findings, Finding{
				Path: folder, What: "top-level folder that is not in the plan of the house",
				Fix: "put it into one of " + strings.Join(folders, ", "),
			})
		}
	}
	for _, t := range h.Texts {
		if !strings.Contains(t.Path, "/") && !slices.Contains(files, t.Path) {
			findings = append(findings, Finding{
				Path: t.Path, What: "root file that is not in the plan of the house",
				Fix: "put it into docs/ or the room that it is about",
			})
		}
	}
	return findings
}

// Licence checks that the licence is the one that the house was given.
func Licence(h *House) []Finding {
	missing := []Finding{{Path: "LICENSE", What: "not the Apache License, version 2.0", Fix: "put its full text there"}}
	text, ok := h.text("LICENSE")
	if !ok {
		return missing
	}
	whole := strings.Join(text.Lines, "\n")
	for _, want := range []string{"Apache License", "Version 2.0, January 2004", "END OF TERMS AND CONDITIONS"} {
		if !strings.Contains(whole, want) {
			return missing
		}
	}
	return nil
}
