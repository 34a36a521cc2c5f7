package console

import (
	"net/http"
	"strconv"
	"strings"
)

// freshData is what the first screen shows besides the figures.
type freshData struct {
	Sources, Sinks []string
	Lines          map[string]string // by sink: the points of its writes over the last minutes
	Advice         []Advice
	Tasks          []Task
	Changes        []event
}

// freshness shows how fresh each sink is, what hinders it, and what is being caught up with.
func (c *Console) freshness(w http.ResponseWriter, r *http.Request) {
	c.look()
	v := c.view(r, "freshness", "Freshness", c.freshNow())
	v.Live = true
	c.show(w, http.StatusOK, v)
}

func (c *Console) freshNow() freshData {
	now := c.watch.Newest()
	d := freshData{Sources: names(now.Status.Sources), Sinks: names(now.Status.Sinks), Lines: map[string]string{}, Advice: Advise(now),
		Tasks: TasksOf(&c.watch), Changes: c.recent.list()}
	for _, name := range d.Sinks {
		d.Lines[name] = polyline(c.watch.line(writesOf(name)))
	}
	return d
}

// Measures of the line of a sink's writes, in units of its drawing.
const (
	lineWidth  = 120.0
	lineHeight = 24.0
)

// polyline draws values as points from left to right; the newest stands at the right edge.
func polyline(values []float64) string {
	top := 1.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	step := lineWidth / (samplesMax - 1)
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		x := lineWidth - float64(len(values)-1-i)*step
		b.WriteString(decimal(x) + "," + decimal(lineHeight-1-v/top*(lineHeight-2)))
	}
	return b.String()
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

// modelData is what the screen of models shows besides the figures.
type modelData struct {
	Models     []string
	Hindrances []obstacle
}

// obstacle is why a model does not answer.
type obstacle struct{ Model, Title, Message, Do string }

// models shows how models answer, and what they have cost.
func (c *Console) models(w http.ResponseWriter, r *http.Request) {
	c.look()
	v := c.view(r, "models", "Models", c.modelsNow())
	v.Live = true
	if r.URL.Query().Get("done") == "resume" {
		v.Notice = "The models are asked again."
	}
	c.show(w, http.StatusOK, v)
}

func (c *Console) modelsNow() modelData {
	status := c.watch.Newest().Status
	d := modelData{Models: names(status.Models)}
	for _, name := range d.Models {
		if m := status.Models[name]; m.Reason != nil {
			title, do := hindrance(*m.Reason)
			d.Hindrances = append(d.Hindrances, obstacle{name, title, m.Message, do})
		}
	}
	return d
}

func (c *Console) resume(w http.ResponseWriter, r *http.Request) {
	c.flow.Models.Resume()
	http.Redirect(w, r, "/models?done=resume", http.StatusSeeOther)
}
