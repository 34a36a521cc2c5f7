package main

import (
	"strings"

	"github.com/freshet/freshet/stream/api/console"
)

// frame is one picture of top: lines that are as wide as the terminal at most.
type frame struct {
	width, height int // in characters; a height of 0 is without bound
	color         bool
	lines         []string
}

// Styles of a cell, as SGR codes.
const (
	plainStyle = ""
	strong     = "1"
	faint      = "2"
)

// moods are the styles of states.
var moods = map[string]string{"good": "32", "busy": "33", "bad": "1;31", "quiet": faint}

// cell is a text in a style. A cell with a size is filled up to it; below zero the text stands to the right.
type cell struct {
	text  string
	style string
	size  int
}

// line adds a line of cells and cuts it at the edge.
func (f *frame) line(cells ...cell) {
	left := f.width
	var b strings.Builder
	for i, c := range cells {
		text := []rune(visible(c.text))
		size := max(c.size, -c.size)
		if fill := size - len(text); fill > 0 {
			padding := []rune(strings.Repeat(" ", fill))
			if c.size < 0 {
				text = append(padding, text...)
			} else {
				text = append(text, padding...)
			}
		} else if size > 1 && len(text) > size {
			text = append(text[:size-1], '…')
		}
		if i == len(cells)-1 {
			text = []rune(strings.TrimRight(string(text), " "))
		}
		text = text[:min(len(text), left)]
		left -= len(text)
		if f.color && c.style != plainStyle && len(text) > 0 {
			b.WriteString("\x1b[" + c.style + "m" + string(text) + "\x1b[0m")
		} else {
			b.WriteString(string(text))
		}
	}
	f.lines = append(f.lines, strings.TrimRight(b.String(), " "))
}

func (f *frame) blank() { f.lines = append(f.lines, "") }

// all draws the whole picture and cuts it at the bottom.
func (f *frame) all(w *console.Watch, g console.Graph, note string) {
	now := w.Newest()
	figures := console.FiguresOf(w)
	stands := "  "
	if !console.NeverRan(&now.Status) {
		stands = "  epoch " + figures.Text["flow.epoch"] + ", " + figures.Text["flow.store"] + " of state, "
	}
	f.line(cell{now.Status.Flow + "  ", strong, 0}, cell{figures.Text["flow.state"], moods[figures.Mood["flow"]], 0},
		cell{stands + now.At.Format("15:04:05"), faint, 0})
	if note != "" {
		f.line(cell{note, moods["bad"], 0})
	}
	f.advice(now)
	f.sinks(figures, g)
	f.nodes(figures, g)
	f.tasks(w)
	if f.height > 1 && len(f.lines) > f.height-1 {
		f.lines = f.lines[:f.height-1]
	}
	if f.height > 0 {
		f.line(cell{"q quits", faint, 0})
	}
}

// advice says what hinders the flow.
func (f *frame) advice(now console.Sample) {
	for _, a := range console.Advise(now) {
		if !a.Grave {
			continue
		}
		f.wrapped(cell{"! " + a.Title + ": ", moods["bad"], 0}, oneLine(a.Text), plainStyle)
		f.wrapped(cell{"  ", plainStyle, 0}, a.Do, faint)
	}
}

// adviceMost is how many lines one text of advice takes, since a server may have a lot to say. On a terminal lower than
// adviceHeight it is one: the figures count for more there.
const (
	adviceMost   = 4
	adviceHeight = 24
)

// wrapped adds a text behind a head, over as many lines as it takes. What hinders a flow stands mostly at the end of what a server
// says, so that a text cut at the edge would not tell it.
func (f *frame) wrapped(head cell, text, style string) {
	left, most := []rune(visible(text)), adviceMost
	if f.height > 0 && f.height < adviceHeight {
		most = 1
	}
	for n := 1; ; n++ {
		room := max(1, f.width-len([]rune(head.text)))
		if len(left) <= room {
			f.line(head, cell{string(left), style, 0})
			return
		}
		if n == most {
			f.line(head, cell{string(left[:room-1]) + "…", style, 0})
			return
		}
		end := room
		for i := room; i > room/3; i-- {
			if left[i] == ' ' {
				end = i
				break
			}
		}
		f.line(head, cell{string(left[:end]), style, 0})
		left = []rune(strings.TrimLeft(string(left[end:]), " "))
		head = cell{"  ", plainStyle, 0}
	}
}

// frameLeast is the width that all columns fit into, and spareMost how much wider names and states become each.
const (
	frameLeast = 80
	spareMost  = 16
)

// spare is how much wider names and states may be than they have to.
func (f *frame) spare() int { return min(max(0, f.width-frameLeast)/2, spareMost) }

func (f *frame) head(cells ...cell) {
	for i := range cells {
		cells[i].style = faint
	}
	f.blank()
	f.line(cells...)
}

// sinks says of each sink how fresh it is.
func (f *frame) sinks(figures console.Figures, g console.Graph) {
	more := f.spare()
	f.head(cell{"SINK", "", 14 + more}, cell{"STATE", "", 22 + more}, cell{"HALF IN", "", -9}, cell{"99% IN", "", -9}, cell{"WRITES", "", -8},
		cell{"ROWS", "", -10}, cell{"WAITING", "", -8})
	for _, n := range g.Nodes {
		if n.Kind != console.KindSink {
			continue
		}
		id := n.Kind + "." + n.Name
		value := func(name string) string { return figures.Text[id+"."+name] }
		f.line(cell{n.Name, strong, 14 + more}, cell{value("state"), moods[figures.Mood[id]], 22 + more}, cell{value("p50"), "", -9},
			cell{value("p99"), strong, -9}, cell{value("rate"), "", -8}, cell{value("rows"), "", -10}, cell{value("waiting"), "", -8})
		if problem := value("problem"); problem != "" {
			f.line(cell{"  " + problem, faint, 0})
		}
	}
}

// nodes draws the flow as a tree: each node below what it reads.
func (f *frame) nodes(figures console.Figures, g console.Graph) {
	more := f.spare()
	f.head(cell{"FLOW", "", 27 + more}, cell{"STATE", "", 15 + more}, cell{"ROWS", "", -9}, cell{"RATE", "", -8}, cell{"CALLS", "", -8}, cell{"SAVED", "", -6},
		cell{"WAIT", "", -7})
	for _, b := range branches(g) {
		n := g.Nodes[b.node]
		name := strings.Repeat("  ", b.depth) + n.Name
		if b.leads {
			f.line(cell{strings.Repeat("  ", b.depth) + "→ " + n.Name, faint, 0})
			continue
		}
		id := n.Kind + "." + n.Name
		value := func(name string) string { return figures.Text[id+"."+name] }
		rows := value("rows")
		if n.Kind == console.KindSource {
			rows = value("changes")
		}
		calls, saved, waiting := "", "", value("waiting")
		if n.Model != "" {
			calls, saved = value("calls"), value("saved")
		}
		if n.Kind == console.KindStep {
			waiting = value("pending")
		}
		does := strings.TrimSpace(n.Does + " " + n.Model)
		f.line(cell{name + "  ", strong, 0}, cell{does, faint, max(2, 24+more-len([]rune(name)))}, cell{" ", "", 0}, cell{value("state"), moods[figures.Mood[id]], 15 + more},
			cell{rows, "", -9}, cell{value("rate"), "", -8}, cell{calls, "", -8}, cell{saved, "", -6}, cell{waiting, "", -7})
	}
}

// barSize is how long the bar of a task is, in characters.
const barSize = 20

// tasks says what takes a while, how fast it goes and when it is done.
func (f *frame) tasks(w *console.Watch) {
	all := console.TasksOf(w)
	if len(all) == 0 {
		return
	}
	f.head(cell{"BEING DONE", "", 0})
	for _, t := range all {
		bar := ""
		if t.Known {
			done := int(t.Done * barSize)
			bar = "[" + strings.Repeat("#", done) + strings.Repeat("-", barSize-done) + "] "
		}
		left := ""
		if t.Left != "–" {
			left = "  " + t.Left + " left"
		}
		f.line(cell{t.Name + "  ", strong, 0}, cell{bar, "", 0}, cell{t.What + "  ", "", 0}, cell{t.Rate, "", 0}, cell{left, "", 0})
	}
}
