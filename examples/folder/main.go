// Command folder is the example of a folder that is searched: what a change of it costs, and what a search finds then.
package main

import (
	"context"
	"os"

	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("folder", play) }

func play(ctx context.Context, s *scene.Scene) {
	run := func() { s.Freshet(ctx, "run", "flow.yaml", "--once") }
	ask := func(question string) { s.Freshet(ctx, "query", "flow.yaml", question, "-k", "1") }

	s.Act("four pages")
	run()
	ask("what does a late tool cost?")

	s.Act("a number is changed: its chunk is embedded, the others stay")
	s.Edit("docs/borrowing.md", "one euro a day", "two euros a day")
	run()
	ask("what does a late tool cost?")

	s.Act("a page is moved: its rows get other keys, and no text is embedded twice")
	s.Check(os.Rename(s.Path("docs/visit/membership.md"), s.Path("docs/members.md")))
	run()
	ask("how much is it for students?")

	s.Act("a page goes, and so do its rows")
	s.Check(os.Remove(s.Path("docs/members.md")))
	run()
}
