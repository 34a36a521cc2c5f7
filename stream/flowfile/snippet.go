package flowfile

import (
	"fmt"
	"strings"
	"unicode"
)

// spot is a place in the file: line and column count from 1, column and width in characters.
type spot struct{ line, column, width int }

// mask is a stretch of a line that no snippet shows.
type mask struct{ line, column, width int }

// snippetCells is how wide the shown part of a line is at most.
const snippetCells = 96

// snippet shows the line of a spot with a mark under the spot.
func (d *document) snippet(s spot) string {
	if s.line < 1 || s.line > len(d.lines) {
		return ""
	}
	cells := d.cells(s.line)
	start := min(max(s.column-1, 0), len(cells))
	end := min(start+max(s.width, 1), len(cells))
	from, to := window(cells, start)
	end = max(min(end, to), start)

	line, before := strings.Join(cells[from:to], ""), strings.Join(cells[from:start], "")
	if from > 0 {
		line, before = "…"+line, "…"+before
	}
	if to < len(cells) {
		line += "…"
	}
	under := max(widthOf(strings.Join(cells[start:end], "")), 1)
	mark := "^" + strings.Repeat("~", under-1)
	gutter := fmt.Sprintf("%5d | ", s.line)
	return gutter + strings.TrimRight(line, " ") + "\n" +
		strings.Repeat(" ", len(gutter)-2) + "| " + strings.Repeat(" ", widthOf(before)) + mark
}

// cells are what each character of a line is shown as. Masked stretches are three stars, whatever
// their length.
func (d *document) cells(line int) []string {
	var cells []string
	for _, r := range d.lines[line-1] {
		cells = append(cells, cell(r))
	}
	for _, m := range d.masks {
		if m.line != line {
			continue
		}
		for i := max(m.column-1, 0); i < min(m.column-1+m.width, len(cells)); i++ {
			cells[i] = ""
			if i == m.column-1 {
				cells[i] = "***"
			}
		}
	}
	return cells
}

func cell(r rune) string {
	switch {
	case r == '\t':
		return "    "
	case !unicode.IsPrint(r):
		return "�" // a terminal must not obey what a file says
	}
	return string(r)
}

// window is the part of a long line that is shown: the place of the fault and what surrounds it.
func window(cells []string, place int) (from, to int) {
	to = len(cells)
	if to <= snippetCells {
		return 0, to
	}
	from = max(0, min(place-snippetCells/3, to-snippetCells))
	return from, min(to, from+snippetCells)
}

// visible replaces what a terminal would obey.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, text)
}

// wide are the blocks whose characters take two cells of a terminal.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}

// widthOf is the number of terminal cells of a text.
func widthOf(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.Is(wide, r):
			n += 2
		default:
			n++
		}
	}
	return n
}
