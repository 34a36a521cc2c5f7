package flowfile

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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

// redactor replaces secrets in texts that others have written.
type redactor struct {
	secrets []secret // longest first
}

type secret struct{ value, shown string }

// add makes a value be shown as something else, also in the forms in which messages quote it: escaped,
// in a URL, and its password alone.
func (r *redactor) add(value, shown string) {
	if value == "" {
		return
	}
	forms := []string{value, strings.Trim(strconv.Quote(value), `"`), url.QueryEscape(value), url.PathEscape(value)}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			forms = append(forms, password, url.PathEscape(password))
		}
	}
	for _, m := range keywordPassword.FindAllStringSubmatch(value, -1) {
		forms = append(forms, strings.Trim(m[1], `'`))
	}
	for _, form := range forms {
		known := slices.ContainsFunc(r.secrets, func(s secret) bool { return s.value == form })
		if form != "" && !known {
			r.secrets = append(r.secrets, secret{form, shown})
		}
	}
	slices.SortStableFunc(r.secrets, func(a, b secret) int { return cmp.Compare(len(b.value), len(a.value)) })
}

// keywordPassword is the password of a keyword connection string.
var keywordPassword = regexp.MustCompile(`(?i)\b(?:password|passwd|pwd|secret|token)\s*=\s*('[^']*'|[^\s&;]+)`)

// wholeWordBelow is the length below which a secret is replaced only where it stands as a word: a
// value such as 8 or docs would otherwise tear other words apart.
const wholeWordBelow = 6

// redact replaces every secret of a text.
func (r *redactor) redact(text string) string {
	for _, s := range r.secrets {
		if len(s.value) >= wholeWordBelow {
			text = strings.ReplaceAll(text, s.value, s.shown)
		} else {
			text = replaceWord(text, s.value, s.shown)
		}
	}
	return text
}

func replaceWord(text, word, with string) string {
	var b strings.Builder
	for {
		at := strings.Index(text, word)
		if at < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := at + len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[end:])
		b.WriteString(text[:at])
		if at > 0 && inWord(before) || end < len(text) && inWord(after) {
			b.WriteString(word)
		} else {
			b.WriteString(with)
		}
		text = text[end:]
	}
}

func inWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf
}

// conceal marks a scalar whose field is secret: its text in the file is not shown either.
func (d *document) conceal(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || isNull(n) {
		return
	}
	if _, ok := d.written[n]; ok {
		return // the file shows a ${NAME}
	}
	d.secrets.add(n.Value, "***")
	at := d.at(n)
	d.masks = append(d.masks, mask(at))
	for line := at.line + 1; line <= at.line+strings.Count(n.Value, "\n") && line <= len(d.lines); line++ {
		d.masks = append(d.masks, mask{line, 1, len([]rune(d.lines[line-1]))})
	}
}
