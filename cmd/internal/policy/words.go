package policy

import (
	"regexp"
	"strings"
	"sync"
)

// Words keeps out of the repository what is about its making and not about the product: places of one
// machine, hosts of registries, numbers of tickets, notes to oneself.
func Words(h *House) []Finding {
	var findings []Finding
	for _, t := range h.Texts {
		if t.Path == "go.sum" || inTestdata(t.Path) && strings.Contains(t.Path, "/fuzz/") {
			continue
		}
		for n, line := range t.Lines {
			for _, f := range foreignWords() {
				if f.pattern.MatchString(line) {
					findings = append(findings, Finding{Path: t.Path, Line: n + 1, What: f.what, Fix: f.fix})
				}
			}
		}
	}
	return findings
}

// foreignWord is a pattern of what does not belong here.
type foreignWord struct {
	pattern   *regexp.Regexp
	what, fix string
}

// foreignWords is compiled once. Each pattern is written in pieces, so that this file does not hold what it forbids.
var foreignWords = sync.OnceValue(func() []foreignWord {
	return []foreignWord{
		{
			regexp.MustCompile(`/wo` + `rk/|/fa` + `rm/|/ro` + `ot/|/tmp/ba` + `sh|\.libr` + `ary/`),
			"a path of one machine", "use a path that every machine has, or t.TempDir",
		},
		{
			regexp.MustCompile(`(proxy|sum)\.gol` + `ang\.org|registry\.np` + `mjs|py` + `pi\.org|files\.python` + `hosted|deb\.deb` + `ian\.org|repo1?\.ma` + `ven`),
			"the host of a registry", "leave the choice of a registry to the machine",
		},
		{
			regexp.MustCompile(`(?i)\b(iss` + `ue|tick` + `et|pull requ` + `est) ?#?\d+|\b(PR|CL)[-#]\d+`),
			"the number of a ticket", "say what was wrong and why it is so now",
		},
		{
			regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`),
			"a note to oneself", "do it, or say as a fact what does not hold and when it would",
		},
	}
})
