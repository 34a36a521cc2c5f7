package policy

import (
	"regexp"
	"strconv"
	"strings"
)

// Words keeps out of the repository what is about its making and not about the product: places of one
// machine, hosts of registries, numbers of tickets, notes to oneself.
func Words(h *House) []Finding {
	patterns := []struct{ pattern, fix string }{
		// Each pattern is written in two pieces, so that this file does not hold what it forbids.
		{"/wo" + "rk/", "use a path that every machine has, or t.TempDir"},
		{"/fa" + "rm/", "use a path that every machine has, or t.TempDir"},
		{"/tmp/ba" + "sh", "use a path that every machine has, or t.TempDir"},
		{`\.libr` + `ary/`, "use a path that every machine has, or t.TempDir"},
		{"/ro" + "ot/", "use a path that every machine has, or t.TempDir"},
		{`proxy\.gol` + `ang\.org|sum\.gol` + `ang\.org`, "leave the choice of a registry to the machine"},
		{`registry\.np` + `mjs|py` + `pi\.org|files\.python` + `hosted`, "leave the choice of a registry to the machine"},
		{`deb\.deb` + `ian\.org|repo1?\.ma` + `ven`, "leave the choice of a registry to the machine"},
		{`(?i)\b(iss` + `ue|tick` + `et|pull requ` + `est) ?#?\d+`, "say what was wrong and why it is so now"},
		{`\b(PR|CL)[-#]\d+`, "say what was wrong and why it is so now"},
		{`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`, "do it, or say as a fact what does not hold and when it would"},
		{`(?i)\b(claude|copilot|chatgpt|codex)\b`, "say what the code does, not who wrote it"},
	}
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		compiled[i] = regexp.MustCompile(p.pattern)
	}
	var findings []Finding
	for _, t := range h.Texts {
		if t.Path == "go.sum" || inTestdata(t.Path) && strings.Contains(t.Path, "/fuzz/") || t.Path == "cmd/internal/policy/words.go" {
			continue
		}
		for n, line := range t.Lines {
			for i, expression := range compiled {
				if found := expression.FindString(line); found != "" {
					findings = append(findings, Finding{
						Path: t.Path, Line: n + 1, What: "the text says " + strconv.Quote(found), Fix: patterns[i].fix,
					})
				}
			}
		}
	}
	return findings
}
