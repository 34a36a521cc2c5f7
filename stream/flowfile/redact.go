package flowfile

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

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

// fragmentBytes is the length from which a piece of a secret is replaced where a fault lies in the very
// text that holds it: parsers quote what is near the fault.
const fragmentBytes = 4

// redactFragments also replaces pieces of secrets, but for words that the public text has as well: a
// connection string shares its scheme with the name of the kind.
func (r *redactor) redactFragments(text, public string) string {
	text = r.redact(text)
	var b strings.Builder
	for i := 0; i < len(text); {
		length, shown := r.fragment(text[i:])
		if length > 0 && isPublic(text[i:i+length], public) {
			shown = text[i : i+length]
		}
		if length == 0 {
			_, length = utf8.DecodeRuneInString(text[i:])
			shown = text[i : i+length]
		}
		b.WriteString(shown)
		i += length
	}
	return b.String()
}

// fragment is the longest piece of a secret that a text begins with.
func (r *redactor) fragment(text string) (length int, shown string) {
	for _, s := range r.secrets {
		n := min(max(length+1, fragmentBytes), len(text)+1)
		for n <= len(text) && strings.Contains(s.value, text[:n]) {
			if n == len(text) || utf8.RuneStart(text[n]) {
				length, shown = n, s.shown
			}
			n++
		}
	}
	return length, shown
}

// targets are the addresses, users and databases in connection strings: whoever has to mend one has to see where it leads, and a
// right that is missing is granted to a user by name.
func (r *redactor) targets() string {
	var b strings.Builder
	for _, s := range r.secrets {
		host, user, database := targetOf(s.value)
		b.WriteString(host + "\n" + user + "\n" + database + "\n")
	}
	return b.String()
}

// targetOf is the host and port of a URL, and user and database where it is one of PostgreSQL: those of others may be secrets.
// All are empty where what looks like them may be a part of a password that was not escaped.
func targetOf(value string) (host, user, database string) {
	u, err := url.Parse(value)
	if err != nil || strings.Count(value, "@") > 1 || u.User == nil && strings.Contains(value, "@") {
		return "", "", ""
	}
	if u.Scheme == "postgres" || u.Scheme == "postgresql" {
		user, database = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	}
	return u.Host, user, database
}

// isPublic reports whether each word of a piece stands in the public text.
func isPublic(piece, public string) bool {
	words := strings.FieldsFunc(piece, func(r rune) bool { return !inWord(r) })
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(public, word) })
}

func inWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf
}
