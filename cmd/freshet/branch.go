package main

import (
	"slices"

	"github.com/freshet/freshet/stream/api/console"
)

// branch is a line of a flow that is drawn as a tree.
type branch struct {
	node, depth int
	leads       bool // the node stands elsewhere, below another one that it reads as well
}

// branches puts the nodes of a graph below each other. A node that reads several stands once, below the last of them; the
// others lead to it.
func branches(g console.Graph) []branch {
	home := make([]int, len(g.Nodes)) // what a node stands below; -1: nothing
	for n := range home {
		home[n] = -1
	}
	behind := make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		home[e.To] = max(home[e.To], e.From)
		behind[e.From] = append(behind[e.From], e.To)
	}
	var all []branch
	var grow func(node, depth int)
	grow = func(node, depth int) {
		all = append(all, branch{node: node, depth: depth})
		slices.Sort(behind[node])
		for _, next := range behind[node] {
			if home[next] == node {
				grow(next, depth+1)
			} else {
				all = append(all, branch{node: next, depth: depth + 1, leads: true})
			}
		}
	}
	for n := range g.Nodes {
		if home[n] < 0 {
			grow(n, 0)
		}
	}
	return all
}
