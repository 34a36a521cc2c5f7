package flowfile

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// substitute replaces each ${NAME} of a scalar; $${ stands for ${.
func (d *document) substitute(n *yaml.Node) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	written := n.Value
	var b strings.Builder
	rest := written
	for at := strings.Index(rest, "${"); at >= 0; at = strings.Index(rest, "${") {
		offset := len(written) - len(rest) + at
		if at > 0 && rest[at-1] == '$' {
			b.WriteString(rest[:at-1] + "${")
			rest = rest[at+2:]
			continue
		}
		b.WriteString(rest[:at])
		name, after, closed := strings.Cut(rest[at+2:], "}")
		if !closed || !environmentName.MatchString(name) {
			d.fault(d.within(n, offset), "bad_value", "a name of the environment is written ${NAME}, of letters, digits and _",
				"write ${NAME} without a default, or $${ where a plain ${ is meant")
			d.told[n] = true
			return
		}
		value, ok := d.environment(d.within(n, offset), name)
		d.told[n] = d.told[n] || !ok
		b.WriteString(value)
		rest = after
	}
	if d.told[n] {
		return
	}
	d.hidden[n] = true
	d.written[n] = written
	n.Value = b.String() + rest
}

// environment is the value of a name. It is marked as never to be shown.
func (d *document) environment(at spot, name string) (string, bool) {
	value, ok := d.lookup(name)
	if !ok || value == "" {
		state := "not set"
		if ok {
			state = "empty"
		}
		at.width = len("${}") + len(name)
		d.fault(at, "missing_env", fmt.Sprintf("the environment variable %s is %s", name, state),
			fmt.Sprintf("set it: export %s=…", name))
		return "", false
	}
	d.secrets.add(value, "${"+name+"}")
	return value, true
}

// concealed stands for a secret that the file holds itself.
const concealed = "***"

// conceal marks a scalar whose field is secret: its text in the file is not shown either.
func (d *document) conceal(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || isNull(n) {
		return
	}
	if _, ok := d.written[n]; ok {
		return // the file shows a ${NAME}
	}
	d.secrets.add(n.Value, concealed)
	d.hidden[n] = true
	at := d.at(n)
	d.masks = append(d.masks, mask(at))
	for line := at.line + 1; line <= at.line+strings.Count(n.Value, "\n") && line <= len(d.lines); line++ {
		d.masks = append(d.masks, mask{line, 1, len([]rune(d.lines[line-1]))})
	}
}
