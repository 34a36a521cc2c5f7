package policy

import (
	"go/ast"
	"go/token"
	"slices"
)

// Sleeps allows time.Sleep in tests only in the fake time of a synctest bubble: lexically in the function given to
// synctest.Test, in a function that calls synctest.Wait (which panics outside of a bubble), or in one that is called
// from nowhere else.
func Sleeps(h *House) []Finding {
	var findings []Finding
	for _, room := range h.rooms() {
		calls := callsOf(h, room)
		for _, c := range calls {
			if c.sleep && !c.bubble && !bubbled(calls, c.from, nil) {
				findings = append(findings, h.at(c.source, c.pos, "time.Sleep in a test",
					"run it in testing/synctest, or wait for the thing itself: a channel, a callback, a condition"))
			}
		}
	}
	return findings
}

// call is a mention of a name in the tests of a room.
type call struct {
	source *Source
	pos    token.Pos
	// from is the declared function that holds it, name what is mentioned.
	from, name string
	// sleep says that it is time.Sleep, bubble that it stands in a call of synctest.Test or beside one of synctest.Wait.
	sleep, bubble bool
}

// callsOf lists the mentions of functions in the tests of a room.
func callsOf(h *House, room string) []call {
	var calls []call
	for _, s := range h.written() {
		if s.Room != room || !s.Test {
			continue
		}
		for _, decl := range s.Syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			calls = append(calls, mentions(s, f)...)
		}
	}
	return calls
}

func mentions(s *Source, f *ast.FuncDecl) []call {
	var (
		calls []call
		stack []ast.Node
		waits = waitsInBubble(f)
	)
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		if ident, ok := n.(*ast.Ident); ok {
			c := call{source: s, pos: ident.Pos(), from: f.Name.Name, name: ident.Name, bubble: waits}
			for _, outer := range stack {
				if test, ok := outer.(*ast.CallExpr); ok && isSelector(test.Fun, "synctest", "Test") {
					c.bubble = true
				}
				if sleep, ok := outer.(*ast.SelectorExpr); ok && sleep.Sel == ident && isSelector(sleep, "time", "Sleep") {
					c.sleep = true
				}
			}
			calls = append(calls, c)
		}
		return true
	})
	return calls
}

// waitsInBubble reports whether a function calls synctest.Wait outside of any synctest.Test.
func waitsInBubble(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if called, ok := n.(*ast.CallExpr); ok {
			found = found || isSelector(called.Fun, "synctest", "Wait")
			return !isSelector(called.Fun, "synctest", "Test")
		}
		return true
	})
	return found
}

// bubbled reports whether every mention of a function stands in a bubble or in a bubbled function.
func bubbled(calls []call, name string, seen []string) bool {
	if slices.Contains(seen, name) {
		return true
	}
	mentioned := false
	for _, c := range calls {
		if c.name != name || c.from == name {
			continue
		}
		mentioned = true
		if !c.bubble && !bubbled(calls, c.from, append(seen, name)) {
			return false
		}
	}
	return mentioned
}
