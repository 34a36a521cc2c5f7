package console

import (
	"bytes"
	"crypto/subtle"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// errLate says that a form is that of another session.
var errLate = errors.New("the form is out of date")

// policy lets a page load and ask nothing but its own server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// view is what a template is given.
type view struct {
	Screen   string // which template
	Tab      string // which of the tabs it belongs to
	Title    string
	Flow     string
	Instance string
	Live     bool // figures change in place, or by loading again
	Signed   bool
	Closed   bool // nothing of the flow may be shown
	Word     string
	Notice   string // what was just done
	Fault    *Fault
	Figures
	Data any
}

// tab is a screen that the head of every page leads to.
type tab struct{ Name, Path, Title string }

// Tabs lists the screens in order.
func (*view) Tabs() []tab {
	return []tab{{"freshness", "/", "Freshness"}, {"flow", "/flow", "Flow"}, {"search", "/search", "Search"}, {"lineage", "/lineage", "Lineage"},
		{"letters", "/letters", "Dead letters"}, {"models", "/models", "Models"}}
}

// Value is a figure.
func (v *view) Value(parts ...string) string { return v.Text[strings.Join(parts, ".")] }

// Is is the mood of a node.
func (v *view) Is(parts ...string) string { return v.Mood[strings.Join(parts, ".")] }

// Show is a figure that changes in place.
func (v *view) Show(parts ...string) template.HTML {
	name := template.HTMLEscapeString(strings.Join(parts, "."))
	return template.HTML(`<span data-text="` + name + `">` + template.HTMLEscapeString(v.Value(parts...)) + `</span>`)
}

// State is the state of a node, which changes in place with its colour.
func (v *view) State(parts ...string) template.HTML {
	plain := strings.Join(parts, ".")
	node := template.HTMLEscapeString(plain)
	return template.HTML(`<span class="state" data-mood="` + node + `" data-is="` + template.HTMLEscapeString(v.Is(parts...)) + `" data-text="` + node +
		`.state">` + template.HTMLEscapeString(v.Value(plain, "state")) + `</span>`)
}

// view makes what the templates of a screen are given.
func (c *Console) view(r *http.Request, screen, title string, data any) *view {
	v := &view{Screen: screen, Tab: screen, Title: title, Flow: c.o.Flow, Instance: c.instance, Data: data}
	if v.Signed = c.o.Keeper.Signed(r); v.Signed {
		v.Word = c.o.Keeper.Word(r)
	}
	if v.Closed = c.o.Closed && !v.Signed; !v.Closed {
		v.Figures = c.figures()
	}
	return v
}

// show writes a page.
func (c *Console) show(w http.ResponseWriter, status int, v *view) {
	var b bytes.Buffer
	if err := c.pages[v.Screen].ExecuteTemplate(&b, "frame.html", v); err != nil {
		c.o.Logger.Error("a page cannot be shown", "screen", v.Screen, "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that has gone is nobody to tell
}

// refuse shows a page about an error.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, screen string, f Fault) {
	v := c.view(r, "fault", "That did not work", nil)
	v.Tab, v.Fault = screen, &f
	c.show(w, f.Status, v)
}

// formMax bounds what a form may send, in bytes.
const formMax = 1 << 20

// permitted lets through who is signed in and posts a form of their own session.
func (c *Console) permitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !c.o.Keeper.Signed(r) {
			http.Redirect(w, r, "/login?next=/"+strings.Split(r.URL.Path, "/")[1], http.StatusSeeOther)
			return
		}
		if err := c.ownForm(w, r); err != nil {
			c.refuse(w, r, "", Fault{Status: http.StatusForbidden, Message: err.Error(), Hint: "go back, load the page again and do it once more"})
			return
		}
		next(w, r)
	}
}

// ownForm reads a form, which has to carry the word of the session that it is posted in.
func (c *Console) ownForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		return errors.New("the form cannot be read")
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("word")), []byte(c.o.Keeper.Word(r))) != 1 {
		return errLate
	}
	return nil
}

// login shows the form that asks for the token.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	v := c.view(r, "login", "Sign in", loginData{Next: within(r.URL.Query().Get("next")), TokenAt: c.o.TokenAt})
	c.show(w, http.StatusOK, v)
}

type loginData struct{ Next, TokenAt string }

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	next := within(r.PostFormValue("next"))
	if c.o.Keeper.SignIn(w, r, strings.TrimSpace(r.PostFormValue("token"))) {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	v := c.view(r, "login", "Sign in", loginData{Next: next, TokenAt: c.o.TokenAt})
	v.Fault = &Fault{Status: http.StatusUnauthorized, Message: "this is not the flow's token"}
	c.show(w, http.StatusUnauthorized, v)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.o.Keeper.SignOut(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// within is a path of this console, whatever was asked for.
func within(path string) string {
	for _, t := range (*view)(nil).Tabs() {
		if path == t.Path {
			return path
		}
	}
	return "/"
}

// words are what templates can say besides the methods of what they are given.
func words() template.FuncMap {
	return template.FuncMap{
		"count": func(n int) string { return count(int64(n)) },
		"short": shortened,
		"clock": func(at string) string { return moment(at).Local().Format("2006-01-02 15:04:05") },
		"sheet": func(v *view, d drawing) sheet { return sheet{v, d} },
		"prose": prose,
	}
}

// prose is a text of ours for a page: what stands between backticks, as it does in a terminal, is a command.
func prose(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

// parsePages parses the templates: one set a screen, over the frame that they share.
func parsePages() map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Funcs(words()).ParseFS(pageFiles, "pages/frame.html"))
	pages := map[string]*template.Template{}
	for _, screen := range []string{"freshness", "flow", "search", "lineage", "letters", "letter", "discard", "models", "login", "fault", "waiting"} {
		pages[screen] = template.Must(template.Must(frame.Clone()).ParseFS(pageFiles, "pages/"+screen+".html"))
	}
	return pages
}
