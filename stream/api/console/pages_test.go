package console_test

import (
	"flag"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/api/console"
)

var update = flag.Bool("update", false, "rewrite golden files")

// screens are all pages that can be asked for.
var screens = []string{"/", "/flow", "/search", "/lineage", "/lineage?key=docs/a.md", "/lineage?key=index/a.md/1", "/lineage?key=docs/none", "/letters",
	"/letters/one", "/letters/none", "/models", "/login"}

// TestPagesAreTheOnesWrittenDown compares what the main part of each page holds.
func TestPagesAreTheOnesWrittenDown(t *testing.T) {
	utc(t)
	cases := []struct {
		name   string
		path   string
		form   []string
		signed bool
		status int
	}{
		{"freshness", "/", nil, false, 200},
		{"flow", "/flow", nil, false, 200},
		{"search", "/search", nil, false, 200},
		{"hits", "/search", []string{"text", "invoices", "k", "5", "where", "row.pages > 2"}, false, 200},
		{"search-fault", "/search", []string{"text", "fault", "k", "5"}, false, 400},
		{"lineage-of-a-source", "/lineage?key=docs/a.md", nil, false, 200},
		{"lineage-of-a-first-read", "/lineage?key=docs/first.md", nil, false, 200},
		{"lineage-of-a-sink", "/lineage?key=index/a.md/1", nil, false, 200},
		{"lineage-of-nothing", "/lineage?key=docs/none", nil, false, 404},
		{"letters", "/letters", nil, false, 200},
		{"letters-signed", "/letters?done=retry&n=1", nil, true, 200},
		{"letter", "/letters/one", nil, true, 200},
		{"letter-gone", "/letters/none", nil, true, 404},
		{"discard", "/letters/discard", []string{"word", "word-of-this-session", "step", "vectors", "code", "rejected"}, true, 200},
		{"models", "/models", nil, true, 200},
		{"login", "/login?next=/letters", nil, false, 200},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newShop()
			s.signed = c.signed
			_, h := s.pages(console.Options{})
			w := visit(t, h, c.path, c.form...)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			got := main(t, w.Body.String())
			path := filepath.Join("testdata", c.name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the page differs (-want +got):\n%s", diff)
			}
		})
	}
}

// main is the main part of a page, without empty lines and times that pass.
func main(t *testing.T, page string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<main id="main" tabindex="-1">`)
	text, _, ok2 := strings.Cut(rest, "</main>")
	if !ok || !ok2 {
		t.Fatalf("the page has no main part: %s", page)
	}
	text = regexp.MustCompile(`(of index in )[0-9.]+ (ms|s)|(of index in )–`).ReplaceAllString(text, "of index in TIME")
	return strings.TrimSpace(regexp.MustCompile(`\n\s*\n+`).ReplaceAllString(text, "\n")) + "\n"
}

func TestPagesReferToNothingOutsideAndHoldNoMarkupOfRows(t *testing.T) {
	for _, signed := range []bool{false, true} {
		s := newShop()
		s.signed = signed
		_, h := s.pages(console.Options{})
		pages := map[string]string{}
		for _, path := range screens {
			w := visit(t, h, path)
			pages[path] = w.Body.String()
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
				t.Errorf("%s is sent with the policy %q", path, policy)
			}
		}
		pages["hits"] = visit(t, h, "/search", "text", "invoices", "k", "5").Body.String()
		pages["fault"] = visit(t, h, "/search", "text", "fault", "k", "5").Body.String()
		pages["question"] = visit(t, h, "/search", "text", markup, "where", `"`+markup, "k", "5").Body.String()
		references := regexp.MustCompile(`(?i)(?:src|href|action|url)\s*=\s*["']?([^"'\s>]*)`)
		for path, page := range pages {
			for _, m := range references.FindAllStringSubmatch(page, -1) {
				if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") && m[1] != "x" || strings.HasPrefix(m[1], "//") {
					t.Errorf("%s refers to %q", path, m[1])
				}
			}
			if strings.Contains(page, markup) || strings.Contains(page, "<img src=x") {
				t.Errorf("%s holds markup that a row or a message brought", path)
			}
			for _, inline := range []string{" style=", "<style", "javascript:", " onclick", " onload"} {
				if strings.Contains(page, inline) {
					t.Errorf("%s holds %s", path, inline)
				}
			}
			if n := strings.Count(page, "<h1>"); n != 1 {
				t.Errorf("%s has %d headings of the first order", path, n)
			}
			if tables, captions := strings.Count(page, "<table"), strings.Count(page, "<caption"); tables != captions {
				t.Errorf("%s has %d tables and %d captions", path, tables, captions)
			}
		}
	}
	_, h := newShop().pages(console.Options{})
	for _, asset := range []string{"/assets/console.css", "/assets/console.js", "/assets/mark.svg"} {
		text := strings.ReplaceAll(visit(t, h, asset).Body.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
		if text == "" || regexp.MustCompile(`(?i)https?:|url\(|@import|\bimport\b`).MatchString(text) {
			t.Errorf("%s is empty or refers to elsewhere", asset)
		}
	}
}

func TestNothingChangesWithoutASessionAndItsWord(t *testing.T) {
	forms := map[string][]string{
		"/letters/retry":   {"all", "yes"},
		"/letters/discard": {"all", "yes", "sure", "yes"},
		"/models/resume":   {"x", "y"},
	}
	for path, form := range forms {
		s := newShop()
		_, h := s.pages(console.Options{})
		if w := visit(t, h, path, form...); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/login?next=/") {
			t.Errorf("%s without a session: %d to %q", path, w.Code, w.Header().Get("Location"))
		}
		s.signed = true
		if w := visit(t, h, path, append(form, "word", "another")...); w.Code != http.StatusForbidden {
			t.Errorf("%s with the word of another session: %d", path, w.Code)
		}
		if w := visit(t, h, path); w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
			t.Errorf("%s by GET: %d", path, w.Code)
		}
		if len(s.done) > 0 {
			t.Fatalf("%s has done %v", path, s.done)
		}
		if w := visit(t, h, path, append(form, "word", "word-of-this-session")...); w.Code != http.StatusSeeOther || len(s.done) != 1 {
			t.Errorf("%s by who may: %d, done is %v", path, w.Code, s.done)
		}
	}
}

func TestDiscardIsConfirmedAndConcernsWhatWasShown(t *testing.T) {
	s := newShop()
	s.signed = true
	_, h := s.pages(console.Options{})
	word := []string{"word", "word-of-this-session"}
	group := append(word, "step", "vectors", "code", "rejected")
	if w := visit(t, h, "/letters/discard", group...); w.Code != 200 || len(s.done) > 0 || !strings.Contains(w.Body.String(), "2 dead letters are") {
		t.Fatalf("before it is confirmed: %d, done is %v", w.Code, s.done)
	}
	if w := visit(t, h, "/letters/discard", append(group, "sure", "yes")...); w.Header().Get("Location") != "/letters?done=discard&n=2" {
		t.Errorf("it leads to %q", w.Header().Get("Location"))
	}
	if diff := cmp.Diff([]string{"discard one", "discard two"}, s.done); diff != "" {
		t.Error(diff)
	}
	s.done = nil
	visit(t, h, "/letters/retry", append(word, "id", "three")...)
	visit(t, h, "/letters/retry", append(word, "all", "yes")...)
	visit(t, h, "/letters/retry", word...)
	if diff := cmp.Diff([]string{"retry three", "retry "}, s.done); diff != "" {
		t.Error(diff)
	}
}

func TestLoginLeadsBackIntoTheConsoleOnly(t *testing.T) {
	cases := []struct{ next, want string }{
		{"/letters", "/letters"}, {"", "/"}, {"//evil.example", "/"}, {"https://evil.example", "/"}, {"/\\evil.example", "/"}, {"/api/v1/status", "/"},
	}
	for _, c := range cases {
		_, h := newShop().pages(console.Options{})
		if w := visit(t, h, "/login", "token", " the-token ", "next", c.next); w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.want {
			t.Errorf("%q leads to %q", c.next, w.Header().Get("Location"))
		}
	}
	s := newShop()
	_, h := s.pages(console.Options{})
	if w := visit(t, h, "/login", "token", "a guess"); w.Code != http.StatusUnauthorized || s.signed {
		t.Errorf("a wrong token: %d", w.Code)
	}
}

func TestClosedConsoleShowsNothingToStrangers(t *testing.T) {
	s := newShop()
	_, h := s.pages(console.Options{Closed: true})
	page := visit(t, h, "/login").Body.String()
	for _, secret := range []string{"1,234", "held up", "Dead letters", "5.0 MiB", ">index<"} {
		if strings.Contains(page, secret) {
			t.Errorf("the form that asks for the token shows %q", secret)
		}
	}
}

// TestTextCanBeReadInBothSchemes holds each pair of colours that text is shown in against WCAG AA: 4.5 to 1.
func TestTextCanBeReadInBothSchemes(t *testing.T) {
	css, err := os.ReadFile("assets/console.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "*, *::before")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(text, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		if len(colours) != 15 {
			t.Fatalf("%d colours in the %s scheme", len(colours), scheme)
		}
		for ink, grounds := range map[string][]string{
			"ink": {"ground", "panel", "raised", "mark"}, "soft": {"ground", "panel", "raised"}, "accent": {"ground", "panel"}, "on-accent": {"accent"},
			"good": {"panel", "good-ground"}, "busy": {"busy-ground"}, "bad": {"panel", "bad-ground"}, "panel": {"bad"},
		} {
			for _, ground := range grounds {
				a, b := colours[ink], colours[ground]
				if ratio := (max(a, b) + .05) / (min(a, b) + .05); ratio < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, ink, ground, ratio)
				}
			}
		}
	}
}

// luminance is that of a colour, as WCAG reckons it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
