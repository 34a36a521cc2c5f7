package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/freshet/freshet/stream/engine"
)

// letterData is what the screen of dead letters shows.
type letterData struct {
	Groups []group
	Total  int
}

// group is the dead letters of one cause.
type group struct {
	Step, Code string
	Message    string // of the first
	Letters    []engine.DeadLetter
	Count      int
}

// groupMax bounds how many letters of a group are shown.
const groupMax = 50

// letters lists the rows that cannot be processed, by cause.
func (c *Console) letters(w http.ResponseWriter, r *http.Request) {
	all, err := c.flow.Letters.List()
	if err != nil {
		c.refuse(w, r, "letters", c.o.Explain(err))
		return
	}
	v := c.view(r, "letters", "Dead letters", letterData{Groups: grouped(all), Total: len(all)})
	v.Live = true
	n, _ := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	switch r.URL.Query().Get("done") {
	case "retry":
		v.Notice = Counted(n, "row is", "rows are") + " tried again. What goes well leaves this list."
	case "discard":
		v.Notice = Counted(n, "dead letter was", "dead letters were") + " discarded. The rows stay out until they change."
	}
	c.show(w, http.StatusOK, v)
}

// grouped puts letters of one step and code together, the largest group first.
func grouped(all []engine.DeadLetter) []group {
	var groups []group
	for _, l := range all {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Step == l.Step && g.Code == l.Code })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{Step: l.Step, Code: l.Code, Message: l.Message})
		}
		g := &groups[i]
		if g.Count++; len(g.Letters) < groupMax {
			g.Letters = append(g.Letters, l)
		}
	}
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(b.Count, a.Count) })
	return groups
}

// More is how many letters of the group are not shown.
func (g group) More() int { return g.Count - len(g.Letters) }

// oneLetter is a letter with its input, laid out.
type oneLetter struct {
	engine.DeadLetter
	Laid string
}

// letter shows one dead letter with what was tried.
func (c *Console) letter(w http.ResponseWriter, r *http.Request) {
	found, ok, err := c.flow.Letters.Find(r.PathValue("id"))
	switch {
	case err != nil:
		c.refuse(w, r, "letters", c.o.Explain(err))
		return
	case !ok:
		c.refuse(w, r, "letters", Fault{Status: http.StatusNotFound, Message: "this dead letter is not there any more",
			Hint: "it was discarded, or its row was processed meanwhile"})
		return
	}
	one := oneLetter{DeadLetter: found}
	var b bytes.Buffer
	if len(found.Input) > 0 && json.Indent(&b, found.Input, "", "  ") == nil {
		one.Laid = b.String()
	}
	v := c.view(r, "letter", "Dead letter", one)
	v.Tab = "letters"
	c.show(w, http.StatusOK, v)
}

// retry tries one dead letter again, those of a cause, or all.
func (c *Console) retry(w http.ResponseWriter, r *http.Request) {
	c.settle(w, r, "retry", c.flow.Letters.Retry)
}

// discardData is what a person is asked before letters are discarded.
type discardData struct {
	ID, Step, Code string
	All            bool
	Count          int
}

// discard drops dead letters, after it has asked.
func (c *Console) discard(w http.ResponseWriter, r *http.Request) {
	if r.PostForm.Get("sure") == "yes" {
		c.settle(w, r, "discard", c.flow.Letters.Discard)
		return
	}
	ids, err := c.meant(r)
	if err != nil {
		c.refuse(w, r, "letters", c.o.Explain(err))
		return
	}
	f := r.PostForm
	v := c.view(r, "discard", "Discard dead letters?", discardData{ID: f.Get("id"), Step: f.Get("step"), Code: f.Get("code"), All: f.Get("all") == "yes", Count: len(ids)})
	v.Tab = "letters"
	c.show(w, http.StatusOK, v)
}

// meant lists the ids that a form names: one, those of a step and code, or all.
func (c *Console) meant(r *http.Request) ([]string, error) {
	f := r.PostForm
	if id := f.Get("id"); id != "" {
		return []string{id}, nil
	}
	all, err := c.flow.Letters.List()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, l := range all {
		if f.Get("all") == "yes" || f.Get("step") == l.Step && f.Get("code") == l.Code {
			ids = append(ids, l.ID)
		}
	}
	return ids, nil
}

func (c *Console) settle(w http.ResponseWriter, r *http.Request, done string, apply func(context.Context, string) ([]engine.DeadLetter, error)) {
	ids, err := c.meant(r)
	if r.PostForm.Get("all") == "yes" {
		ids = []string{""}
	}
	n := 0
	for _, id := range ids {
		if err != nil {
			break
		}
		var settled []engine.DeadLetter
		settled, err = apply(r.Context(), id)
		n += len(settled)
	}
	if err != nil {
		c.refuse(w, r, "letters", c.o.Explain(err))
		return
	}
	http.Redirect(w, r, "/letters?done="+done+"&n="+strconv.Itoa(n), http.StatusSeeOther)
}
