package console

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// graphOf makes a graph of edges; nodes that nothing leads out of are sinks, and those that nothing leads to are
// sources.
func graphOf(n int, edges ...Edge) Graph {
	g := Graph{Edges: edges}
	for i := range n {
		kind := KindStep
		from, to := false, false
		for _, e := range edges {
			from, to = from || e.From == i, to || e.To == i
		}
		if !to {
			kind = KindSource
		} else if !from {
			kind = KindSink
		}
		g.Nodes = append(g.Nodes, Node{Kind: kind, Name: string(rune('a' + i))})
	}
	return g
}

func TestNodesStandBehindWhatTheyRead(t *testing.T) {
	cases := []struct {
		name  string
		graph Graph
		want  layout
	}{
		{"a chain is one row", graphOf(3, Edge{0, 1}, Edge{1, 2}),
			layout{Places: []place{{0, 0}, {1, 0}, {2, 0}}, Layers: 3, Rows: 1, Bends: [][]place{nil, nil}}},
		{"two ways stand around what they come from", graphOf(4, Edge{0, 1}, Edge{0, 2}, Edge{1, 3}, Edge{2, 3}),
			layout{Places: []place{{0, .5}, {1, 0}, {1, 1}, {2, .5}}, Layers: 3, Rows: 2, Bends: [][]place{nil, nil, nil, nil}}},
		{"an edge that skips a layer has a way of its own", graphOf(3, Edge{0, 1}, Edge{1, 2}, Edge{0, 2}),
			layout{Places: []place{{0, .5}, {1, 0}, {2, .5}}, Layers: 3, Rows: 2, Bends: [][]place{nil, nil, {{1, 1}}}}},
		{"sinks stand in the last layer together", graphOf(5, Edge{0, 1}, Edge{1, 2}, Edge{2, 3}, Edge{0, 4}),
			layout{Places: []place{{0, .5}, {1, 0}, {2, 0}, {3, 0}, {3, 1}}, Layers: 4, Rows: 2, Bends: [][]place{nil, nil, nil, {{1, 1}, {2, 1}}}}},
		{"lines that would cross are turned round", graphOf(4, Edge{0, 3}, Edge{1, 2}),
			layout{Places: []place{{0, 0}, {0, 1}, {1, 1}, {1, 0}}, Layers: 2, Rows: 2, Bends: [][]place{nil, nil}}},
		{"a flow without anything", Graph{}, layout{Places: []place{}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, arrange(c.graph)); diff != "" {
				t.Errorf("the layout differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoTwoNodesShareAPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "nodes")
		var edges []Edge
		for to := 1; to < n; to++ {
			for from := range to {
				if rapid.Bool().Draw(t, "edge") {
					edges = append(edges, Edge{from, to})
				}
			}
		}
		g := graphOf(n, edges...)
		lay := arrange(g)
		taken := map[place]bool{}
		take := func(p place) {
			if taken[p] {
				t.Fatalf("two stand at %v", p)
			}
			taken[p] = true
			if p.Layer < 0 || p.Layer >= lay.Layers || p.Row < 0 || p.Row > lay.Rows-1 {
				t.Fatalf("%v lies outside of %d layers and %v rows", p, lay.Layers, lay.Rows)
			}
		}
		for _, p := range lay.Places {
			take(p)
		}
		for i, e := range g.Edges {
			from := lay.Places[e.From].Layer
			for _, bend := range lay.Bends[i] {
				take(bend)
				if bend.Layer != from+1 {
					t.Fatalf("the way of %v goes from layer %d to %d", e, from, bend.Layer)
				}
				from = bend.Layer
			}
			if lay.Places[e.To].Layer != from+1 {
				t.Fatalf("the way of %v ends in layer %d, its node is in %d", e, from, lay.Places[e.To].Layer)
			}
		}
	})
}
