package console

import (
	"math"
	"net/http"
	"strings"
)

// flowData is what the screen of the flow shows besides the figures.
type flowData struct {
	Wide, Tall drawing
	Nodes      []boxed
}

// drawing is a graph with the places of its boxes and lines, in units of the drawing.
type drawing struct {
	Name          string // tells two drawings of one page apart
	Width, Height float64
	Boxes         []boxed
	Lines         []line
}

// boxed is a node as a box.
type boxed struct {
	Node
	ID      string // of its figures
	X, Y    float64
	LeadsTo string // names of the nodes behind it
}

// sheet is a drawing with the page that it stands on.
type sheet struct {
	V *view
	D drawing
}

// line is an edge as a path.
type line struct {
	Path string
	From string // names its mood: whether something passes
}

// Measures of a drawing.
const (
	boxWidth  = 176.0
	boxHeight = 92.0
	gapAlong  = 56.0 // between layers
	gapAcross = 24.0 // within one
	margin    = 8.0
)

// drawing shows the flow as a graph, and the same as tables.
func (c *Console) drawing(w http.ResponseWriter, r *http.Request) {
	c.look()
	lay := arrange(c.graph)
	d := flowData{Wide: draw(c.graph, lay, false), Tall: draw(c.graph, lay, true)}
	d.Nodes = d.Wide.Boxes
	v := c.view(r, "flow", "Flow", d)
	v.Live = true
	c.show(w, http.StatusOK, v)
}

// draw puts a layout on paper: layers from left to right, or from top to bottom where the paper is narrow.
func draw(g Graph, lay layout, tall bool) drawing {
	along, across := boxWidth+gapAlong, boxHeight+gapAcross
	if tall {
		along, across = boxHeight+gapAlong, boxWidth+gapAcross
	}
	corner := func(p place) (x, y float64) {
		x, y = margin+float64(p.Layer)*along, margin+p.Row*across
		if tall {
			x, y = margin+p.Row*across, margin+float64(p.Layer)*along
		}
		return x, y
	}
	d := drawing{Name: "wide"}
	d.Width, d.Height = 2*margin+float64(lay.Layers)*along-gapAlong, 2*margin+lay.Rows*across-gapAcross
	if tall {
		d.Name, d.Width, d.Height = "tall", 2*margin+lay.Rows*across-gapAcross, 2*margin+float64(lay.Layers)*along-gapAlong
	}
	for i, n := range g.Nodes {
		x, y := corner(lay.Places[i])
		d.Boxes = append(d.Boxes, boxed{Node: n, ID: n.Kind + "." + n.Name, X: x, Y: y})
	}
	for i, e := range g.Edges {
		from := &d.Boxes[e.From]
		from.LeadsTo = strings.TrimPrefix(from.LeadsTo+", "+g.Nodes[e.To].Name, ", ")
		var b strings.Builder
		x, y := corner(lay.Places[e.From])
		at := out(x, y, tall)
		b.WriteString("M" + at.String())
		for _, bend := range lay.Bends[i] {
			x, y = corner(bend)
			in, behind := into(x, y, tall), out(x, y, tall)
			b.WriteString(curve(at, in, tall) + " L" + behind.String())
			at = behind
		}
		x, y = corner(lay.Places[e.To])
		b.WriteString(curve(at, into(x, y, tall), tall))
		d.Lines = append(d.Lines, line{Path: b.String(), From: "from." + d.Boxes[e.From].ID})
	}
	return d
}

type point struct{ x, y float64 }

func (p point) String() string { return decimal(p.x) + " " + decimal(p.y) }

// into is where lines reach a box, and out where they leave it.
func into(x, y float64, tall bool) point {
	if tall {
		return point{x + boxWidth/2, y}
	}
	return point{x, y + boxHeight/2}
}

func out(x, y float64, tall bool) point {
	if tall {
		return point{x + boxWidth/2, y + boxHeight}
	}
	return point{x + boxWidth, y + boxHeight/2}
}

// curve leads from one point to another, leaving and arriving in the direction of the layers.
func curve(from, to point, tall bool) string {
	if tall {
		half := math.Max(12, (to.y-from.y)/2)
		return " C" + point{from.x, from.y + half}.String() + " " + point{to.x, to.y - half}.String() + " " + to.String()
	}
	half := math.Max(12, (to.x-from.x)/2)
	return " C" + point{from.x + half, from.y}.String() + " " + point{to.x - half, to.y}.String() + " " + to.String()
}
