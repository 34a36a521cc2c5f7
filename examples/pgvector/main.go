// Command pgvector is the example of a table that is kept searchable: SQL changes a row, and SQL finds it by its meaning.
package main

import (
	"context"

	"github.com/freshet/freshet/examples/internal/database"
	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("pgvector", play) }

func play(ctx context.Context, s *scene.Scene) {
	db := database.Open(ctx, s, "articles.sql")
	defer db.Close()
	ask := func(question string) { s.Freshet(ctx, "query", "flow.yaml", question, "-k", "1") }

	s.Act("the flow fills article_chunks, and follows the table from then on")
	s.Service(ctx, func(ctx context.Context) {
		db.Settle(ctx, "articles")
		ask("which animals help against pests?")

		s.Act("a word of one row is changed, and another row goes")
		db.Run(ctx, "UPDATE articles SET body = replace(body, 'Hedgehogs', 'Ducks') WHERE id = 4; DELETE FROM articles WHERE id = 1")
		db.Settle(ctx, "articles")
		ask("which animals help against pests?")
		db.Run(ctx, "SELECT id, title, chunk FROM article_chunks ORDER BY id")

		s.Act("SQL searches as well: what is nearest to the article on watering?")
		db.Run(ctx, "SELECT title FROM article_chunks ORDER BY vector <=> (SELECT vector FROM article_chunks WHERE id = 2) LIMIT 2")
	})
}
