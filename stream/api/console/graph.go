package console

import (
	"fmt"
	"strings"

	"github.com/freshet/freshet/stream"
)

// Kinds of a node.
const (
	KindSource = "source"
	KindStep   = "step"
	KindSink   = "sink"
)

// Node is a source, a step or a sink.
type Node struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Does  string `json:"does"`            // files, split, embed, vector
	Model string `json:"model,omitempty"` // that the step calls
}

// Edge leads from one node to another; both are indices into [Graph.Nodes].
type Edge struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Graph is the shape of a flow. Nodes are in the order of the plan: sources, steps, sinks.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// GraphOf takes the shape from a plan. Steps that stand for the columns of a sink are a part of the sink.
func GraphOf(plan *stream.Plan) Graph {
	g := Graph{Nodes: []Node{}, Edges: []Edge{}}
	from := make([]int, len(plan.Collections)) // the node that yields a collection
	for i, n := range plan.Sources {
		for _, c := range n.Collections {
			from[c] = i
		}
		g.Nodes = append(g.Nodes, Node{Kind: KindSource, Name: n.Name, Does: room(n.Source)})
	}
	for _, n := range plan.Steps {
		if n.Hidden {
			from[n.Out] = from[n.From]
			continue
		}
		node := Node{Kind: KindStep, Name: n.Name, Does: n.Kind}
		if n.Caller != nil {
			node.Model = n.Caller.Calls().Model.Name()
		}
		from[n.Out] = len(g.Nodes)
		g.join(from[n.From], len(g.Nodes))
		g.Nodes = append(g.Nodes, node)
	}
	for _, n := range plan.Sinks {
		for _, c := range n.From {
			g.join(from[c], len(g.Nodes))
		}
		g.Nodes = append(g.Nodes, Node{Kind: KindSink, Name: n.Name, Does: room(n.Sink)})
	}
	return g
}

// join adds an edge, once.
func (g *Graph) join(from, to int) {
	for _, e := range g.Edges {
		if e.From == from && e.To == to {
			return
		}
	}
	g.Edges = append(g.Edges, Edge{From: from, To: to})
}

// kinded is a source or a sink of a package that makes several kinds.
type kinded interface{ Kind() string }

// wrapping is what a typed flow puts around a sink.
type wrapping interface{ Unwrap() stream.Sink }

// room says what a source or a sink is by the name of the package that makes it, where that makes one kind: a plan does not
// keep the word of the flow file.
func room(made any) string {
	if w, ok := made.(wrapping); ok {
		made = w.Unwrap()
	}
	if k, ok := made.(kinded); ok {
		return k.Kind()
	}
	name, _, _ := strings.Cut(strings.TrimLeft(fmt.Sprintf("%T", made), "*"), ".")
	return name
}
