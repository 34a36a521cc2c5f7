// Command mirror is the example of two tables that are mirrored together: it buys without a pause, reads the mirror
// all the while, and counts the orders whose items do not add up.
package main

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/examples/internal/database"
	"github.com/freshet/freshet/examples/internal/scene"
)

func main() { scene.Play("mirror", play) }

// statesMin is how many states on the way are to be read.
const statesMin = 50

// torn finds orders that stand in the mirror without all of their items, or with more.
const torn = "SELECT count(*) FROM orders WHERE total <> (SELECT coalesce(sum(price), 0) FROM items WHERE order_id = orders.id)"

func play(ctx context.Context, s *scene.Scene) {
	shop := database.Open(ctx, s, "shop.sql")
	defer shop.Close()
	replica := shop.Beside(ctx, "replica", "REPLICA_URL")
	defer replica.Close()

	s.Service(ctx, func(ctx context.Context) {
		s.Act("the tables as they stand")
		shop.Settle(ctx, "shop")
		replica.Run(ctx, "SELECT id, customer, total FROM orders ORDER BY id")
		replica.Run(ctx, "SELECT id, order_id, sku, price FROM items ORDER BY id")

		s.Act("each purchase is one transaction: an item, and the total of its order")
		states, wrong := map[string]bool{}, map[string]bool{}
		for item := 4; len(states) < statesMin && s.Err() == nil; item++ {
			shop.Rows(ctx, fmt.Sprintf("INSERT INTO items VALUES (%d, 1, 'bulb', 0.90); UPDATE orders SET total = total + 0.90 WHERE id = 1", item))
			for _, seen := range replica.Rows(ctx, "SELECT total, ("+torn+") FROM orders WHERE id = 1") {
				states[seen[0]] = true
				if seen[1] != "0" {
					wrong[seen[0]] = true
				}
			}
		}
		s.Say("%d states of the mirror were read on the way, %d of them torn", len(states), len(wrong))

		s.Act("a transaction that is taken back is never seen, one that deletes goes as a whole")
		shop.Run(ctx, "BEGIN; DELETE FROM items WHERE order_id = 2; ROLLBACK")
		shop.Run(ctx, "DELETE FROM items WHERE order_id = 1; DELETE FROM orders WHERE id = 1")
		shop.Settle(ctx, "shop")
		replica.Run(ctx, "SELECT count(*) FROM orders JOIN items ON order_id = orders.id")
		replica.Run(ctx, torn)
	})
}
