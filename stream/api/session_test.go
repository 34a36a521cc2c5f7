package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/freshet/freshet/stream/api"
)

// browser is a client that keeps cookies as one does, and follows no redirect.
type browser struct {
	*running
	cookies []*http.Cookie
}

func openBrowser(t *testing.T, o api.Options) *browser {
	t.Helper()
	b := &browser{running: start(t, o)}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// post sends a form of the console, from its own pages unless site says otherwise.
func (b *browser) post(t *testing.T, path, site string, form url.Values) *http.Response {
	t.Helper()
	reply := b.send(t, request{path: path, body: form.Encode(), header: b.header(map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": site})})
	reply.Body.Close()
	for _, c := range reply.Cookies() {
		b.cookies = []*http.Cookie{c}
	}
	return reply
}

func (b *browser) header(h map[string]string) map[string]string {
	for _, c := range b.cookies {
		h["Cookie"] = c.Name + "=" + c.Value
	}
	return h
}

func (b *browser) look(t *testing.T, path string) (int, string) {
	t.Helper()
	return b.do(t, request{path: path, header: b.header(map[string]string{"Accept": "text/html"})})
}

// word is what the forms of a page carry.
func word(page string) string {
	_, rest, _ := strings.Cut(page, `name="word" value="`)
	found, _, _ := strings.Cut(rest, `"`)
	return found
}

func TestPersonSignsInAndRetriesADeadLetter(t *testing.T) {
	b := openBrowser(t, api.Options{Remote: true, TokenAt: "in the drawer"})
	reply := b.send(t, request{path: "/letters", header: map[string]string{"Accept": "text/html,*/*"}})
	reply.Body.Close()
	if reply.StatusCode != http.StatusSeeOther || reply.Header.Get("Location") != "/login?next=%2Fletters" {
		t.Fatalf("a stranger is led with %d to %q", reply.StatusCode, reply.Header.Get("Location"))
	}
	if _, page := b.look(t, "/login?next=/letters"); !strings.Contains(page, "in the drawer") || strings.Contains(page, "large.txt") {
		t.Error("the form does not say where the token is, or says more than that")
	}
	if reply := b.post(t, "/login", "same-origin", url.Values{"token": {"a guess of a token"}}); reply.StatusCode != http.StatusUnauthorized || len(b.cookies) > 0 {
		t.Errorf("a guess: %d, cookies %v", reply.StatusCode, b.cookies)
	}
	reply = b.post(t, "/login", "same-origin", url.Values{"token": {token}, "next": {"/letters"}})
	if reply.StatusCode != http.StatusSeeOther || reply.Header.Get("Location") != "/letters" || len(b.cookies) != 1 {
		t.Fatalf("the token: %d to %q, cookies %v", reply.StatusCode, reply.Header.Get("Location"), b.cookies)
	}
	cookie := b.cookies[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != 12*60*60 || strings.Contains(cookie.Value, token) {
		t.Errorf("the cookie is %v", cookie)
	}
	status, page := b.look(t, "/letters")
	if status != http.StatusOK || !strings.Contains(page, "large.txt") {
		t.Fatalf("who is signed in sees %d: %s", status, page)
	}
	form := url.Values{"all": {"yes"}, "word": {word(page)}}
	if reply := b.post(t, "/letters/retry", "cross-site", form); reply.StatusCode != http.StatusForbidden {
		t.Errorf("a form on another site: %d", reply.StatusCode)
	}
	if reply := b.post(t, "/letters/retry", "same-site", form); reply.StatusCode != http.StatusForbidden {
		t.Errorf("a form on another port: %d", reply.StatusCode)
	}
	if reply := b.post(t, "/letters/retry", "same-origin", url.Values{"all": {"yes"}}); reply.StatusCode != http.StatusForbidden {
		t.Errorf("a form without the word: %d", reply.StatusCode)
	}
	if reply := b.post(t, "/letters/retry", "same-origin", form); reply.Header.Get("Location") != "/letters?done=retry&n=1" {
		t.Errorf("the form of the page: %d to %q", reply.StatusCode, reply.Header.Get("Location"))
	}
	// A session asks nothing of the API that changes something: that takes the token itself.
	if status, _ := b.do(t, request{path: "/api/v1/dlq/retry", body: `{"all": true}`, header: b.header(map[string]string{})}); status != http.StatusUnauthorized {
		t.Errorf("the API takes a session: %d", status)
	}
	if status, _ := b.do(t, request{path: "/api/v1/status", header: b.header(map[string]string{})}); status != http.StatusOK {
		t.Errorf("the API does not answer a session: %d", status)
	}
	reply = b.post(t, "/logout", "same-origin", url.Values{"x": {"y"}})
	if reply.StatusCode != http.StatusSeeOther || b.cookies[0].MaxAge != -1 {
		t.Errorf("signing out: %d, %v", reply.StatusCode, b.cookies)
	}
}

func TestForgedSessionsAreStrangers(t *testing.T) {
	b := openBrowser(t, api.Options{Remote: true})
	b.post(t, "/login", "same-origin", url.Values{"token": {token}})
	if len(b.cookies) != 1 {
		t.Fatal("no session begins")
	}
	name := b.cookies[0].Name
	until, seal, _ := strings.Cut(b.cookies[0].Value, ".")
	for what, value := range map[string]string{"longer": "9" + until + "." + seal, "without its seal": until, "of another seal": until + "." + strings.Repeat("0", len(seal)),
		"that is over": "1." + seal, "that is none": "x.y", "empty": ""} {
		b.cookies = []*http.Cookie{{Name: name, Value: value}}
		if status, _ := b.look(t, "/"); status != http.StatusSeeOther {
			t.Errorf("a session %s is let in: %d", what, status)
		}
	}
}

func TestOnThisMachineReadingIsOpenAndChangingIsNot(t *testing.T) {
	b := openBrowser(t, api.Options{})
	status, page := b.look(t, "/letters")
	if status != http.StatusOK || !strings.Contains(page, "large.txt") || strings.Contains(page, "<button") {
		t.Errorf("reading: %d: %s", status, page)
	}
	if reply := b.post(t, "/letters/discard", "same-origin", url.Values{"all": {"yes"}, "sure": {"yes"}}); reply.Header.Get("Location") != "/login?next=/letters" {
		t.Errorf("changing leads with %d to %q", reply.StatusCode, reply.Header.Get("Location"))
	}
	if n := len(must[api.Items](t, b.running, request{path: "/api/v1/dlq"}).Items); n != 1 {
		t.Errorf("%d dead letters are left, want 1", n)
	}
	if reply := b.post(t, "/search", "cross-site", url.Values{"text": {"backups"}}); reply.StatusCode != http.StatusForbidden {
		t.Errorf("another site searches: %d", reply.StatusCode)
	}
	// The pages are drawn from a flow that runs.
	for path, want := range map[string]string{"/": `data-text="sink.index.rows">3<`, "/flow": "embed builtin", "/lineage?key=docs/billing.txt": "What was made of", "/models": "builtin"} {
		if status, page := b.look(t, path); status != http.StatusOK || !strings.Contains(page, want) {
			t.Errorf("%s: %d, without %s", path, status, want)
		}
	}
	reply := b.send(t, request{path: "/search", body: "text=scripts+are+harmless&k=5", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("a search: %d", reply.StatusCode)
	}
}
