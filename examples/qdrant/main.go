// Command qdrant is the example of a collection that other programs search under its name, and of what happens to it
// when the flow changes. It serves the collection itself.
package main

import (
	"context"
	"net"
	"sync"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
)

func main() { scene.Play("qdrant", play) }

func play(ctx context.Context, s *scene.Scene) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if !s.Check(err) {
		return
	}
	server, serving := qdranttest.New(listener, qdranttest.Options{})
	var end sync.WaitGroup
	end.Go(func() { _ = serving.Serve(listener) }) // ends when it is stopped
	defer end.Wait()
	defer serving.Stop()
	s.Setenv("QDRANT_URL", server.URL())
	run := func() {
		s.Freshet(ctx, "run", "flow.yaml", "--once")
		s.Freshet(ctx, "query", "flow.yaml", "how do I get my money back?", "-k", "1")
	}

	s.Act("two pages")
	run()

	s.Act("a page is changed")
	s.Edit("pages/returns.md", "thirty days", "sixty days")
	run()

	s.Act("another metric: a new collection is filled beside the old one, and takes its name; no text is embedded again")
	s.Edit("flow.yaml", "collection: pages", "collection: pages, metric: l2")
	run()
	s.Say("%d points under the name pages", len(server.Texts("pages", "chunk")))
}
