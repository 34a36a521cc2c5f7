package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/freshet/freshet/stream/engine"
)

// lineageData is what the screen of lineage shows.
type lineageData struct {
	Subject string
	Example string // a subject to begin with
	Found   bool
	Back    bool // the subject is a sink's row: legs lead back to the source
	Head    trace
	Legs    []leg
	Letters []engine.DeadLetter // of the same source row
}

// leg is the rows of one source, step or sink on the way of the subject.
type leg struct {
	Kind, Name, Does string
	Rows             []trace
	More             int // that are not shown
}

// trace is one row on the way.
type trace struct {
	Key     string
	Subject string // empty where it has no lineage of its own to show
	Clock   string
	At      string
	Epoch   uint64
	Logic   string
	Why     string
	Kept    bool // it is older than the newest change of its source row
}

// lineage shows what was made of a row, or what a row was made of, with why each was computed last.
func (c *Console) lineage(w http.ResponseWriter, r *http.Request) {
	d := lineageData{Subject: strings.TrimSpace(r.URL.Query().Get("key"))}
	v := c.view(r, "lineage", "Lineage", nil)
	status := http.StatusOK
	if d.Subject != "" {
		found, err := c.flow.Tracer.Lineage(d.Subject)
		if err != nil {
			fault := c.o.Explain(err)
			v.Fault, status = &fault, fault.Status
		} else {
			c.trace(&d, found)
		}
	}
	if sources := names(c.watch.Newest().Status.Sources); len(sources) > 0 {
		d.Example = sources[0] + "/…"
	}
	v.Data = d
	c.show(w, status, v)
}

// legMax bounds how many rows of a leg are shown.
const legMax = 200

// trace puts the way of a row into legs, in the order of the flow.
func (c *Console) trace(d *lineageData, found *engine.Lineage) {
	source, nodes := found.Subject, found.Downstream
	if d.Found, d.Back = true, found.Subject.Kind == KindSink; d.Back {
		nodes = found.Upstream
		for _, n := range nodes {
			if n.Kind == KindSource {
				source = n
			}
		}
	}
	changed := moment(source.At)
	d.Head = traced(found.Subject, changed)
	at := map[string]int{}
	for _, n := range nodes {
		id := n.Kind + "/" + n.Name
		i, ok := at[id]
		if !ok {
			i = len(d.Legs)
			at[id] = i
			d.Legs = append(d.Legs, leg{Kind: n.Kind, Name: n.Name, Does: c.does(n.Kind, n.Name)})
		}
		if s := &d.Legs[i]; len(s.Rows) < legMax {
			s.Rows = append(s.Rows, traced(n, changed))
		} else {
			s.More++
		}
	}
	if all, err := c.flow.Letters.List(); err == nil {
		for _, l := range all {
			if l.Source == source.Name && l.Key == source.Key {
				d.Letters = append(d.Letters, l)
			}
		}
	}
}

// does says what a node of the flow does.
func (c *Console) does(kind, name string) string {
	for _, n := range c.graph.Nodes {
		if n.Kind == kind && n.Name == name {
			return strings.TrimSpace(n.Does + " " + n.Model)
		}
	}
	return ""
}

// logicShown is how much of a fingerprint tells two apart, in characters.
const logicShown = 8

func traced(n engine.LineageNode, changed time.Time) trace {
	t := trace{Key: n.Key, At: n.At, Epoch: n.Epoch, Logic: n.Logic}
	if len(t.Logic) > logicShown {
		t.Logic = t.Logic[:logicShown]
	}
	if n.Kind != KindStep {
		t.Subject = n.Name + "/" + n.Key
	}
	made := moment(n.At)
	if !made.IsZero() {
		t.Clock = made.Local().Format("2006-01-02 15:04:05")
	}
	if n.Kind != KindSource {
		t.Why = n.Why
		if t.Kept = made.Truncate(time.Second).Before(changed.Truncate(time.Second)); t.Kept {
			t.Why = strings.TrimPrefix(t.Why+"; the newest change left it as it was", "; ")
		}
	}
	return t
}

func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
