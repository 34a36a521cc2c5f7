package console

import (
	"cmp"
	"slices"
)

// place is where a node stands: its layer, counted from the sources, and its row within the layer. Rows are
// numbers with halves, so that a node can stand between two that it reads.
type place struct {
	Layer int
	Row   float64
}

// layout is a graph on paper.
type layout struct {
	Places []place // by node
	Layers int
	Rows   float64 // room that the widest layer takes
	// Bends are where an edge passes the layers that it skips, in order, by edge.
	Bends [][]place
}

// sweeps is how often the order within layers is improved; it hardly changes after the first few.
const sweeps = 8

// arrange places a graph in layers: a node stands one layer behind the last one that it reads, and sinks stand in
// the last layer together. Within layers nodes are ordered so that few edges cross (by the mean place of their
// neighbours, as Sugiyama's method has it), and an edge that skips layers passes them on a way of its own.
func arrange(g Graph) layout {
	l := layering{g: g, layer: layersOf(g)}
	l.split()
	l.order()
	return l.place()
}

// layersOf gives each node its layer. A flow has no circles, and its nodes stand behind what they read.
func layersOf(g Graph) []int {
	layer := make([]int, len(g.Nodes))
	last := 0
	for n := range g.Nodes {
		for _, e := range g.Edges {
			if e.To == n {
				layer[n] = max(layer[n], layer[e.From]+1)
			}
		}
		last = max(last, layer[n])
	}
	for n := range g.Nodes {
		if g.Nodes[n].Kind == KindSink {
			layer[n] = last
		}
	}
	return layer
}

// layering is a graph whose edges lead from each layer to the next: those that skip layers have been split by
// points that stand for nothing but the way of the edge.
type layering struct {
	g      Graph
	layer  []int   // by point: nodes first
	points [][]int // by edge: the points on its way
	before [][]int // by point: those of the layer before that lead to it
	behind [][]int // by point: those of the layer behind that it leads to
	rows   [][]int // by layer: points in order
	at     []int   // by point: its index in its layer
}

func (l *layering) split() {
	link := func(from, to int) {
		l.behind[from] = append(l.behind[from], to)
		l.before[to] = append(l.before[to], from)
	}
	l.before, l.behind = make([][]int, len(l.layer)), make([][]int, len(l.layer))
	for _, e := range l.g.Edges {
		var way []int
		from := e.From
		for at := l.layer[e.From] + 1; at < l.layer[e.To]; at++ {
			point := len(l.layer)
			l.layer = append(l.layer, at)
			l.before, l.behind = append(l.before, nil), append(l.behind, nil)
			link(from, point)
			way, from = append(way, point), point
		}
		link(from, e.To)
		l.points = append(l.points, way)
	}
	l.at = make([]int, len(l.layer))
	for point, at := range l.layer {
		for len(l.rows) <= at {
			l.rows = append(l.rows, nil)
		}
		l.at[point] = len(l.rows[at])
		l.rows[at] = append(l.rows[at], point)
	}
}

// order sweeps there and back, and keeps the best that it has seen.
func (l *layering) order() {
	best, fewest := l.snapshot(), l.crossings()
	for sweep := 0; sweep < sweeps && fewest > 0; sweep++ {
		if sweep%2 == 0 {
			for at := 1; at < len(l.rows); at++ {
				l.sort(at, l.before)
			}
		} else {
			for at := len(l.rows) - 2; at >= 0; at-- {
				l.sort(at, l.behind)
			}
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.snapshot(), n
		}
	}
	l.rows = best
	for _, row := range l.rows {
		l.number(row)
	}
}

func (l *layering) snapshot() [][]int {
	rows := make([][]int, len(l.rows))
	for i, row := range l.rows {
		rows[i] = slices.Clone(row)
	}
	return rows
}

func (l *layering) number(row []int) {
	for i, point := range row {
		l.at[point] = i
	}
}

// sort orders a layer by the mean place of the neighbours in the layer beside it.
func (l *layering) sort(at int, neighbours [][]int) {
	mean := func(point int) float64 {
		if len(neighbours[point]) == 0 {
			return float64(l.at[point])
		}
		sum := 0
		for _, n := range neighbours[point] {
			sum += l.at[n]
		}
		return float64(sum) / float64(len(neighbours[point]))
	}
	slices.SortStableFunc(l.rows[at], func(a, b int) int { return cmp.Compare(mean(a), mean(b)) })
	l.number(l.rows[at])
}

// crossings counts the pairs of edges that cross between two layers.
func (l *layering) crossings() int {
	n := 0
	for _, row := range l.rows {
		for i, a := range row {
			for _, b := range row[i+1:] {
				for _, to := range l.behind[a] {
					for _, other := range l.behind[b] {
						if l.at[to] > l.at[other] {
							n++
						}
					}
				}
			}
		}
	}
	return n
}

// place gives every point its row: layers stand in the middle of the widest one.
func (l *layering) place() layout {
	widest := 0
	for _, row := range l.rows {
		widest = max(widest, len(row))
	}
	where := make([]place, len(l.layer))
	for at, row := range l.rows {
		for i, point := range row {
			where[point] = place{Layer: at, Row: float64(i) + float64(widest-len(row))/2}
		}
	}
	out := layout{Places: where[:len(l.g.Nodes)], Layers: len(l.rows), Rows: float64(widest)}
	for _, way := range l.points {
		var bends []place
		for _, point := range way {
			bends = append(bends, where[point])
		}
		out.Bends = append(out.Bends, bends)
	}
	return out
}
