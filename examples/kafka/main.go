// Command kafka is the example of a topic that is searched, and of a topic that is made of it.
package main

import (
	"context"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/examples/internal/topic"
)

func main() { scene.Play("kafka", play) }

func play(ctx context.Context, s *scene.Scene) {
	kafka := topic.Open(s)
	defer kafka.Close()
	kafka.Make(ctx, "reviews")
	come := func(file string) {
		s.Wait(ctx, "reviews", kafka.Produce(ctx, "reviews", file))
		s.Freshet(ctx, "query", "flow.yaml", "what about the lid?", "-k", "1")
		kafka.Show(ctx, "complaints")
	}

	s.Service(ctx, func(ctx context.Context) {
		s.Act("four reviews")
		come("reviews.jsonl")
		s.Act("one is written anew, one is withdrawn, another one comes")
		come("later.jsonl")
	})
	s.Act("a restart finds nothing new")
	s.Freshet(ctx, "run", "flow.yaml", "--once")
}
