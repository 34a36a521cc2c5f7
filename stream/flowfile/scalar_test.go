package flowfile

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{
		{"0", 0}, {"4096", 4096}, {"1_000", 1000}, {"1B", 1}, {"256MiB", 256 << 20}, {"1 GiB", 1 << 30}, {"1.5GiB", 3 << 29},
		{"2TiB", 2 << 40}, {"10kB", 10_000}, {"10MB", 10_000_000}, {"0.5KiB", 512}, {"-3", -3},
	} {
		if got, err := parseSize(c.text); err != nil || got != c.want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "MiB", "256MiBB", "256mib", "1.5", "0.1KiB", "1e9", "0x10", "1GiB 2", "½GiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
	if _, err := parseSize("99999999999TiB"); !errors.Is(err, strconv.ErrRange) {
		t.Errorf("a size beyond int64: %v", err)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"20s": 20 * time.Second, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"7d": 7 * 24 * time.Hour, "0": 0} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20", "20 parsecs", "1d12h", "-1d", "99999999d", "d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestRedactor(t *testing.T) {
	var r redactor
	r.add(`p"w\d/4&x y`, "${A}")
	r.add("postgres://app:s3cret%2Fword@db/docs", "${B}")
	r.add("host=db password='open sesame' user=x", "${C}")
	r.add("8", "${D}")
	r.add("docs", "${E}")
	r.add("secretsecret", "${F}")
	r.add("secret", "${G}")
	for text, want := range map[string]string{
		`parse "p\"w\\d/4&x y"`:                     `parse "${A}"`,
		`get http://h/?k=p%22w%5Cd%2F4%26x+y`:       `get http://h/?k=${A}`,
		`dial postgres://app:s3cret%2Fword@db/docs`: `dial ${B}`,
		`password "s3cret/word" is wrong`:           `password "${B}" is wrong`,
		`no: open sesame`:                           `no: ${C}`,
		`8 of 18 rows, 80 %, 8s, (8)`:               `${D} of 18 rows, 80 %, 8s, (${D})`,
		`docs docstring my_docs "docs"`:             `${E} docstring my_docs "${E}"`,
		`xsecretsecretx secretsauce`:                `x${F}x ${G}sauce`,
		`nothing to hide`:                           `nothing to hide`,
	} {
		if got := r.redact(text); got != want {
			t.Errorf("redact(%q)\n got %q\nwant %q", text, got, want)
		}
	}
}

func TestRedactorReplacesPieces(t *testing.T) {
	var r redactor
	r.add("sk-canary-größe-7f3a", "${A}")
	r.add("canaries", "${B}")
	r.add("mysql://db", "${C}")
	for text, want := range map[string]string{
		"near canary-gr":   "near ${A}",
		"near canari":      "near ${B}",
		"at größ, öße-7f3": "at ${A}, ${A}",
		"sk- gr can":       "sk- gr can",
		"dial mysql://":    "dial mysql://",
		"dial mysql://db":  "dial ${C}",
	} {
		if got := r.redactFragments(text, `sources: {shop: {mysql: {dsn: x}}}`); got != want {
			t.Errorf("redactFragments(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestWhoeverLacksARightIsNamed(t *testing.T) {
	var r redactor
	r.add("postgres://rita:g00d-h0rse@db.example:5432/docs", "${PG_URL}")
	for text, want := range map[string]string{
		`GRANT SELECT ON "public"."docs" TO "rita"`: `GRANT SELECT ON "public"."docs" TO "rita"`,
		"user rita: failed SASL auth":               "user rita: failed SASL auth",
		"near rita:g00d":                            "near ${PG_URL}",
		"user rita, password g00d-h0rse":            "user rita, password ${PG_URL}",
	} {
		if got := r.redactFragments(text, r.targets()); got != want {
			t.Errorf("redactFragments(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestWhereConnectionStringsLeadIsShown(t *testing.T) {
	for value, want := range map[string][3]string{
		"postgres://app:s3cret@db.example:5432/docs":   {"db.example:5432", "app", "docs"},
		"postgresql://db.example/docs?password=s3cret": {"db.example", "", "docs"},
		"postgres://app:s3cret@db.example":             {"db.example", "app", ""},
		"postgres://app:1/s3cret@db.example:5432/db":   {},
		"postgres://app:s3c@ret@db.example:5432/docs":  {},
		"postgres://app:s3cret/x@db.example/docs":      {},
		"postgres://app:12?s3cret@db.example/docs":     {},
		"https://hooks.example/services/T1/s3cret":     {"hooks.example", "", ""},
		"https://t0ken@api.example/v1":                 {"api.example", "", ""},
		"sk-s3cret":                                    {},
		"host=db password=s3cret":                      {},
	} {
		if host, user, database := targetOf(value); [3]string{host, user, database} != want {
			t.Errorf("targetOf(%q) = %q, %q, %q, want %q", value, host, user, database, want)
		}
	}
}

func TestSnippetMarksTheRightCells(t *testing.T) {
	for _, c := range []struct {
		what, line string
		at         spot
		masks      []mask
		want       string
	}{
		{"a word", "a: bcd", spot{1, 4, 3}, nil, "    1 | a: bcd\n      |    ^~~"},
		{"behind a tab", "\tb", spot{1, 2, 1}, nil, "    1 |     b\n      |     ^"},
		{"behind a combining mark", "e\u0301: b", spot{1, 5, 1}, nil, "    1 | e\u0301: b\n      |    ^"},
		{"beyond the line", "a", spot{1, 9, 4}, nil, "    1 | a\n      |  ^"},
		{"behind a secret", "k: hunter22, x", spot{1, 14, 1}, []mask{{1, 4, 8}}, "    1 | k: ***, x\n      |         ^"},
		{"a secret itself", "k: hunter22", spot{1, 4, 8}, []mask{{1, 4, 8}}, "    1 | k: ***\n      |    ^~~"},
		{"an escape sequence", "\x1b[2J", spot{1, 1, 4}, nil, "    1 | \ufffd[2J\n      | ^~~~"},
		{"no such line", "a", spot{2, 1, 1}, nil, ""},
	} {
		d := &document{lines: []string{c.line}, masks: c.masks}
		if got := d.snippet(c.at); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
}
