package flowfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// section is one of the four groups of named things in a file.
type section struct {
	noun  string // source, step, sink, model
	part  string // how its kinds are called: kind, operator
	kinds map[string]kind
	head  any // a zero head struct, for its keys
}

// node is one named thing of a section.
type node struct {
	name   string
	in     *section
	place  place // its name and what stands under it
	kind   string
	config place    // the kind's key and config
	meant  []string // keys that its misspelt ones likely mean
	faulty bool     // it has faults that were told
}

func (n *node) label() string { return fmt.Sprintf("the %s %q", n.in.noun, n.name) }

// nodes reads the names of a section and finds the kind of each.
func (d *document) nodes(s *section, under *yaml.Node) []*node {
	under = follow(under)
	if under == nil || isNull(under) {
		return nil
	}
	if under.Kind != yaml.MappingNode {
		d.fault(d.at(under), "wrong_type", fmt.Sprintf("%q must be a mapping of names, not %s", s.noun+"s", d.show(under, false)),
			fmt.Sprintf("write `%ss: {<name>: {…}}`", s.noun))
		return nil
	}
	var all []*node
	for _, e := range pairs(under) {
		if d.told[e.key] {
			continue
		}
		n := &node{name: e.key.Value, in: s, place: place{key: e.key, value: e.value}}
		n.place.label = n.label()
		if err := stream.CheckName(n.name); err != nil {
			d.badName(d.at(e.key), n.name, err)
			n.faulty = true
		}
		d.findKind(n)
		all = append(all, n)
	}
	return all
}

// badName tells what is wrong with a name, and which one is near that would do.
func (d *document) badName(at spot, name string, err error) {
	var p *stream.Problem
	if !errors.As(err, &p) {
		return
	}
	hint := p.Hint
	near := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(name)), "-_")
	if stream.CheckName(near) == nil && d.secrets.redact(name) == name { // else it would show what is hidden
		hint += fmt.Sprintf(": %q would do", near)
	}
	d.fault(at, p.Code, d.secrets.redact(p.Message), d.secrets.redact(hint))
}

// findKind finds the one key that names the kind, and tells of every key that is neither it nor one of
// the section's own.
func (d *document) findKind(n *node) {
	body := n.place.value
	if body.Kind != yaml.MappingNode && !isNull(body) {
		n.faulty = true
		d.fault(d.spotOf(n.place), "wrong_type", fmt.Sprintf("%s must be a mapping, not %s", n.label(), d.show(body, false)),
			fmt.Sprintf("write `%s: {%s}`", n.name, n.in.shape()))
		return
	}
	own := keys(headFields(n.in))
	var unknown []pair
	for _, e := range pairs(body) {
		_, isKind := n.in.kinds[e.key.Value]
		switch {
		case d.told[e.key]:
			n.faulty = true
		case slices.Contains(own, e.key.Value):
		case !isKind:
			unknown = append(unknown, e)
		case n.kind != "":
			n.faulty = true
			d.told[e.key] = true
			d.fault(d.at(e.key), "bad_value", fmt.Sprintf("%s has two %ss: %q and %q", n.label(), n.in.part, n.kind, e.key.Value),
				fmt.Sprintf("give each %s one %s, and let the second read the first", n.in.noun, n.in.part))
		default:
			n.kind, n.config = e.key.Value, place{e.key, e.value, strconv.Quote(e.key.Value)}
		}
	}
	meant := n.kind != ""
	for _, e := range unknown {
		meant = d.unknownInNode(n, e, own, meant) || meant
	}
	if !meant && !n.faulty {
		n.faulty = true
		d.fault(d.at(n.place.key), "missing_key", fmt.Sprintf("%s has no %s", n.label(), n.in.part),
			fmt.Sprintf("give it one of %s", strings.Join(sortedKeys(n.in.kinds), ", ")))
	}
	n.faulty = n.faulty || n.kind == ""
}

// unknownInNode tells of a key beside the kind; it reports whether the key is a misspelt kind.
func (d *document) unknownInNode(n *node, e pair, own []string, hasKind bool) bool {
	n.faulty = true
	d.told[e.key] = true
	kinds := sortedKeys(n.in.kinds)
	name := e.key.Value
	near := stream.Nearest(name, append(slices.Clone(own), kinds...))
	if !hasKind && !slices.Contains(own, near) {
		hint := fmt.Sprintf("did you mean %q?", near)
		if near == "" {
			hint = fmt.Sprintf("the %ss are %s", n.in.part, strings.Join(kinds, ", "))
		}
		d.fault(d.at(e.key), "unknown_kind", fmt.Sprintf("%s has an unknown %s %q", n.label(), n.in.part, name), hint)
		return true
	}
	n.meant = append(n.meant, near)
	hint := fmt.Sprintf("did you mean %q?", near)
	switch {
	case near != "" && slices.Contains(kinds, near) && near != n.kind:
		hint = fmt.Sprintf("a %s has one %s, and this one has %q", n.in.noun, n.in.part, n.kind)
	case near == "" || near == n.kind:
		hint = fmt.Sprintf("beside %q it takes %s; keys of %[1]q stand under it", n.kind, orNothing(own))
	}
	d.fault(d.at(e.key), "unknown_key", fmt.Sprintf("%s has no key %q", n.label(), name), hint)
	return false
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// shape is how an entry of the section is written.
func (s *section) shape() string {
	if s.noun == "source" || s.noun == "model" {
		return "<" + s.part + ">: {…}"
	}
	return "from: …, <" + s.part + ">: {…}"
}

// decodeNode fills the head of a node, and the config of its kind where it has one.
func (d *document) decodeNode(n *node, head any) (config any) {
	skip := make([]*yaml.Node, 0, 4)
	for _, e := range pairs(n.place.value) {
		if e.key == n.config.key || d.told[e.key] {
			skip = append(skip, e.key)
		}
	}
	if n.place.value.Kind == yaml.MappingNode || isNull(n.place.value) {
		n.faulty = !d.decodeHead(n.place, head, skip, n.meant) || n.faulty
	}
	if n.kind == "" {
		return nil
	}
	config = n.in.kinds[n.kind].new()
	n.faulty = !d.decodeKind(n.config, config, keys(headFields(n.in))) || n.faulty
	return config
}

// aim finds where a fault of a planned node lies, among the keys of the node itself or in the config of
// its kind, and the field from there on.
func (n *node) aim(fault *stream.Problem) (place, *stream.Problem) {
	whole := *fault
	whole.Field = ""
	scalar := n.config.value != nil && n.config.value.Kind == yaml.ScalarNode && !isNull(n.config.value)
	if fault.Field == "" {
		if scalar && slices.Contains(atExpression, fault.Code) {
			return n.config, &whole
		}
		return place{key: n.place.key}, &whole
	}
	_, ofKind := seek(n.config, fault.Field)
	_, ofNode := seek(n.place, fault.Field)
	wiring := fault.Code == "unknown_name" || fault.Code == "cycle" || n.in.noun == "sink"
	switch {
	case ofNode && (wiring || !ofKind):
		return n.place, fault
	case scalar:
		return n.config, &whole // the whole config is that one text
	case n.config.value == nil:
		return place{key: n.place.key}, &whole
	}
	return n.config, fault
}
